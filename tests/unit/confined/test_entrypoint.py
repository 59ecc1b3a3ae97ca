"""What is done once, before workers are forked."""

import subprocess
import sys

_PROGRAM = """
import os
from processor.confined.entrypoint import prepare
from processor.confined.formats import duckdb_session
from processor.domain.conversion import ConversionOptions

def threads():
    return len(os.listdir("/proc/self/task"))

prepare()
print(threads(), flush=True)
if os.fork() == 0:
    connection = duckdb_session.connection(ConversionOptions(threads=2))
    print(threads() > 1, connection.execute("SELECT count(*) FROM range(3000000) t(i) WHERE i % 3 = 0").fetchall())
    connection.execute("COPY (FROM range(100000)) TO '/dev/null' (FORMAT parquet)")
    print("done", flush=True)
    os._exit(0)
os.wait()
"""


def test_workers_are_forked_from_one_thread_and_have_all_of_duckdbs() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines() == ["1", "True [(1000000,)]", "done"]
