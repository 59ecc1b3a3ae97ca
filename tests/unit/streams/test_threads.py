"""A thread that has no memory to begin in fails at its start, instead of being waited for."""

import subprocess
import sys

import pytest

_CHILD = """
import resource, sys
from processor.streams.threads import BoundedThread

used = next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmData"))
room = used + (int(sys.argv[1]) << 20)
resource.setrlimit(resource.RLIMIT_DATA, (room, room))
ran = []
thread = BoundedThread(target=ran.append, args=(1,), name="feed")
try:
    thread.start()
except MemoryError as error:
    sys.exit(str(error))
thread.join()
print(ran)
"""


@pytest.mark.parametrize(("megabytes", "told"), [(64, "[1]"), (12, "no room for the thread feed"), (0, "no room")])
def test_a_thread_begins_or_its_start_fails(megabytes: int, told: str) -> None:
    child = [sys.executable, "-c", _CHILD, str(megabytes)]
    ended = subprocess.run(child, capture_output=True, text=True, timeout=60, check=False)
    assert told in ended.stdout + ended.stderr
    assert ended.returncode == (0 if told == "[1]" else 1)
