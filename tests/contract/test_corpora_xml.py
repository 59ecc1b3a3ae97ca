"""XML that others wrote: BLAST reports with all their values, and the attacks that defusedxml collects."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from processor.domain.conversion import Typing
from processor.domain.errors import DeliveryError
from tests.examples import MANY
from tests.unit.confined.formats.xml.xml_values import assert_nothing_lost, converted

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"
_REPORTS = sorted((CORPORA / "biopython-blast").glob("*.xml"))
BLAST = [path for at, path in enumerate(_REPORTS) if MANY or at % 3 == 0 or path.name.startswith("broken")]
ATTACKS = sorted((CORPORA / "defusedxml").glob("*.xml"))
HARMLESS = {"dtd.xml", "simple.xml", "simple-ns.xml"}

pytestmark = pytest.mark.skipif(not BLAST or not ATTACKS, reason="the shared corpora are not here")


@pytest.mark.parametrize("path", BLAST, ids=lambda path: path.name)
def test_every_value_of_a_blast_report_is_in_the_parquet(path: Path) -> None:
    document = path.read_bytes()
    if path.name.startswith("broken"):
        with pytest.raises(DeliveryError, match=r"line [0-9]+, column [0-9]+") as caught:
            converted(document)
        assert caught.value.failure.code == "xml.not-well-formed"
    else:
        # Namespaces are written as prefixes here and as URIs by etree; one default namespace can just be left out.
        assert_nothing_lost(
            document.replace(b'xmlns="http://www.ncbi.nlm.nih.gov"', b"").replace(b"xs:schema", b"schema")
        )
        converted(document, Typing.LOSSLESS)


@pytest.mark.parametrize("path", ATTACKS, ids=lambda path: path.name)
def test_an_attack_is_refused_or_harmless(path: Path) -> None:
    begun = time.process_time()
    if path.name in HARMLESS:
        converted(path.read_bytes())
    else:
        with pytest.raises(DeliveryError) as caught:
            converted(path.read_bytes())
        assert caught.value.failure.code == "xml.entity"
    assert time.process_time() - begun < 10


ALL_ATTACKS = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.unit.confined.formats.xml.xml_values import converted
from processor.domain.errors import DeliveryError
for path in sys.argv[2:]:
    try:
        converted(Path(path).read_bytes())
    except DeliveryError:
        pass
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


def test_all_attacks_together_take_less_than_200_mb() -> None:
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", ALL_ATTACKS, root, *map(str, ATTACKS)]
    found = subprocess.run(command, check=True, capture_output=True, text=True, timeout=240, cwd=root)
    assert int(found.stdout) / 1024 < 200
