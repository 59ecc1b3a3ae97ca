import os
from pathlib import Path

import pytest

from processor.domain.errors import DeliveryError
from processor.streams.source import open_file


def test_a_link_on_the_way_to_the_root_is_followed_unless_strangers_may_have_put_it(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/a.txt").write_bytes(b"a")
    (tmp_path / "in").symlink_to("there")
    with open_file(os.fsencode(tmp_path / "in"), b"a.txt") as source, source.open() as reader:
        assert reader.read() == b"a"
    tmp_path.chmod(0o777)
    with pytest.raises(DeliveryError) as refused, open_file(os.fsencode(tmp_path / "in"), b"a.txt"):
        pass
    assert refused.value.failure.code == "source.no-root"
