"""Convert in this process, without the sandbox: `convert.py IN OUT`, or `convert.py --batch` for lines IN<TAB>OUT.

For the development of converters and for profilers, which want one process; users have `processor convert`.
"""

import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

from processor.confined.formats import convert
from processor.domain.conversion import ConversionOptions, CsvNotes, DataFormat, MalformedRows, Typing
from processor.domain.errors import DeliveryError
from processor.streams.source import open_file

FORMATS = {".tab": DataFormat.TSV, ".ndjson": DataFormat.JSONL} | {f".{f.value}": f for f in DataFormat}


class FileOutput:
    """Parquet to one file, rejects beside it; fed through a pipe, as in the daemon."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def parquet(self) -> Iterator[int]:
        read_end, write_end = os.pipe()
        file = self.path.open("wb")
        pump = threading.Thread(target=_pump, args=(read_end, file), daemon=True)
        pump.start()
        try:
            yield write_end
        finally:
            os.close(write_end)
            pump.join()
            file.close()

    def rejects(self) -> AbstractContextManager[BinaryIO]:
        return self.path.with_name(self.path.name + ".rejects.jsonl").open("wb")

    def notes(self) -> AbstractContextManager[BinaryIO]:
        return self.path.with_name(self.path.name + ".notes.jsonl").open("wb")


def _pump(read_end: int, file: BinaryIO) -> None:
    while data := os.read(read_end, 1 << 20):
        file.write(data)
    os.close(read_end)


def convert_file(source: Path, target: Path) -> str:
    options = ConversionOptions(
        malformed_rows=MalformedRows(os.environ.get("MALFORMED_ROWS", "refuse")),
        csv_notes=CsvNotes(os.environ.get("CSV_NOTES", "refuse")),
        typing=Typing(os.environ.get("TYPING", "lossless")),
    )
    data_format = FORMATS.get(source.suffix.lower(), DataFormat.CSV)
    try:
        with open_file(os.fsencode(source.parent), os.fsencode(source.name)) as opened:
            convert(opened, data_format, options, FileOutput(target), ())
    except DeliveryError as error:
        target.unlink(missing_ok=True)
        return f"err {error.failure.code}: {error}".replace("\n", "\\n")
    except Exception as error:  # noqa: BLE001 - a bug in a converter must show as such, file by file
        target.unlink(missing_ok=True)
        traceback.print_exc()
        return f"err BUG {error!r}".replace("\n", "\\n")
    return "ok"


def main() -> None:
    if sys.argv[1:] == ["--batch"]:
        for line in sys.stdin:
            source, target = line.rstrip("\n").split("\t")
            print(convert_file(Path(source), Path(target)), flush=True)
        return
    answer = convert_file(Path(sys.argv[1]), Path(sys.argv[2]))
    print(answer)
    sys.exit(answer != "ok")


if __name__ == "__main__":
    main()
