"""Keys by template: fields, suffixes, and names that stay the program's own."""

import pytest

from processor.domain.key_template import KeyFields, filled, template_mistake

FIELDS = KeyFields("in/a.b.csv", "orders", 1_714_566_896_000_000_000, "0123456789abcdef")


@pytest.mark.parametrize(
    ("template", "parquet", "key"),
    [
        ("{path}", True, "in/a.b.csv.parquet"),
        ("{path}", False, "in/a.b.csv"),
        ("x/{dir}/{name}", False, "x/in/a.b.csv"),
        ("{feed}/{stem}.parquet", True, "orders/a.b.parquet"),
        ("{feed}/{stem}.parquet", False, "orders/a.b.csv"),
        ("year={mtime:%Y}/month={mtime:%m}/{stem}{ext}", False, "year=2024/month=05/a.b.csv"),
        ("{sha256:.8}", True, "01234567.parquet"),
    ],
)
def test_a_template_is_filled(template: str, parquet: bool, key: str) -> None:
    assert not template_mistake(template)
    assert filled(template, FIELDS, parquet=parquet) == key


def test_a_file_at_the_top_leaves_no_empty_part() -> None:
    assert filled("{dir}/x/{name}", KeyFields("a", "", 0, ""), parquet=False) == "x/a"
    assert filled("{stem}{ext}", KeyFields(".hidden", "", 0, ""), parquet=False) == ".hidden"


def test_the_program_s_own_names_stay_free() -> None:
    assert filled("{feed}/{name}", KeyFields("a", "_raw", 0, ""), parquet=False) == "%5Fraw/a"
