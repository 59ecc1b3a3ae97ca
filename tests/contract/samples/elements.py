"""XML."""

import xml.etree.ElementTree as ET

from processor.domain.conversion import DataFormat
from tests.contract.samples.base import Sample


def _rows_of_xml(data: bytes) -> set[int]:
    try:
        return {len(ET.fromstring(data))}
    except ET.ParseError:
        return set()


def _large() -> bytes:
    rows = "".join(f'<item id="{at}"><name>n &lt;{at}&gt;</name></item>\n' for at in range(30_000))
    return f"<list>{rows}</list>".encode()


SAMPLES = [
    Sample(
        "xml",
        DataFormat.XML,
        '<?xml version="1.0"?>\n<list><item id="1"><name>zü &amp; co</name></item>'
        '<item id="2"><name/><n>5</n></item><item id="3"/></list>\n'.encode(),
        3,
        (b"<b/>", b"text", b"&amp;", b"<", b"</list>", b"\0", b"\xff", b"<?xml version='1.0'?>"),
        _rows_of_xml,
        _large,
    ),
]
