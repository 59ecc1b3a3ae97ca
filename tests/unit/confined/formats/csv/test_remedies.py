"""What a refusal says would accept the text does so."""

import re
import tomllib

import pytest

from processor.domain.errors import DeliveryError
from tests.unit.confined.formats.csv.csv_tables import convert as undeclared
from tests.unit.confined.formats.csv.test_declared import convert as declared

ROWS = "".join(f"{at},name {at},{at}.5\n" for at in range(1, 9))
TABLE = "id,name,amt\n" + ROWS

# A text, and how many rows it has as the first remedy reads it.
REFUSED = {
    "title": ("Report of May\n" + TABLE, 8),
    "titles": ("Report of May\n\n" + TABLE, 8),
    "comment above": ("# by hand\n" + TABLE, 8),
    "comment below": (TABLE + "# end\n", 8),
    "other separators above": ("id;name;amt\n" + ROWS, 8),
    "units": ("id,name,amt\n-,,EUR\n" + ROWS, 8),
    "second header": ("No.,what,price\nid,name,amt\n" + ROWS, 8),
    "empty and double names": (",2023,2023\nid,name,amt\n" + ROWS, 8),
    "total": (TABLE + "Summe,,36.0\n", 8),
    "total behind a blank line": (TABLE + "\nTotal,,36.0\n", 8),
    "short total": (TABLE + "Total,36.0\n", 8),
    "padded note": (TABLE + "Source: office,,\n* old,,\n", 8),
    "number of rows": (TABLE + "(8 rows)\n", 8),
    "commented out": (TABLE + "#9,name 9,9.5\n10,name 10,10.5\n", 9),
    "wrong sep line": ("sep=;\n" + TABLE, 8),
    "names or a row": ("red,apple\ngreen,pear\nred,plum\n", 2),
    "quotes": ('id,name\n1,"a"\n2,b"c\n', 2),
    "names come again": (TABLE + TABLE, 17),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_the_first_declaration_that_a_refusal_names_accepts_the_text(kind: str) -> None:
    text, rows = REFUSED[kind]
    with pytest.raises(DeliveryError) as refusal:
        undeclared(text.encode(), notes="refuse")
    table, _receipt = declared(text, **_declaration(str(refusal.value)))
    assert table.num_rows == rows


def _declaration(message: str) -> dict[str, object]:
    """Return what the first remedy declares."""
    found = re.search(r"\[feed\.csv\] (.*?)(?:\)$|; or |, where |, or header| or false)", message)
    assert found, message
    lines = re.sub(r", (?=\w+ = )", "\n", found[1])
    return {key: tuple(value) if isinstance(value, list) else value for key, value in tomllib.loads(lines).items()}
