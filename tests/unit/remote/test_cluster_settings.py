"""What the settings of a cluster must be, and what follows from them."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from processor.config.settings import Settings
from processor.remote.tasks import UnitReceipt, Work, as_ranges, continued


def settings(**given: Any) -> Settings:
    basics = {"s3_bucket": "bucket", "watch_path": "/data/in"}
    return Settings(**(basics | given))


def test_a_cluster_is_reached_by_tls_unless_it_is_on_this_host() -> None:
    files = {f"dask_tls_{name}": f"/etc/{name}.pem" for name in ("ca", "cert", "key")}
    assert settings(engine="dask", dask_scheduler="tls://far:8786", **files).dask_scheduler == "tls://far:8786"
    assert settings(engine="dask", dask_scheduler="tcp://127.0.0.1:8786").dask_tls_ca is None
    for wrong in ("tcp://far:8786", "far:8786", "tcp://127.0.0.1.example.com:8786"):
        with pytest.raises(ValidationError, match="must begin with tls://"):
            settings(engine="dask", dask_scheduler=wrong, **files)


def test_a_cluster_needs_an_address_and_all_three_certificates() -> None:
    with pytest.raises(ValidationError, match="needs DASK_SCHEDULER"):
        settings(engine="dask")
    with pytest.raises(ValidationError, match="DASK_TLS_CA, DASK_TLS_CERT and DASK_TLS_KEY"):
        settings(engine="dask", dask_scheduler="tls://far:8786", dask_tls_ca="/etc/ca.pem")


@pytest.mark.parametrize(
    ("path_map", "root"),
    [
        ("", None),
        ("/data=/mnt/data", "/mnt/data/in"),
        ("/data/in=/mnt/in", "/mnt/in"),
        ("/other=/x,/data=/mnt", "/mnt/in"),
        ("/dat=/mnt", None),
        ("/data=/data", "/data/in"),
    ],
)
def test_the_path_map_tells_where_workers_find_the_directory(path_map: str, root: str | None) -> None:
    assert settings(path_map=path_map).shared_root == (None if root is None else Path(root))


@pytest.mark.parametrize("wrong", ["/data", "data=/mnt", "/data=mnt", "/data=/mnt,x"])
def test_a_path_map_of_anything_but_pairs_of_absolute_paths_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError, match="pairs of absolute paths"):
        settings(path_map=wrong)


def test_what_is_left_of_a_work_leaves_out_exactly_what_was_dealt_with() -> None:
    receipt = UnitReceipt(attempt=1, more=True, done=as_ranges({7, 3, 4, 5}))
    assert receipt.done == ((3, 6), (7, 8))
    assert continued(Work(stored=((0, 2),)), receipt) == Work(stored=((0, 2), (3, 6), (7, 8)))
