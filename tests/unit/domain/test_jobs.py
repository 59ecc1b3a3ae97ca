"""The routing slip."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.domain.files import FileMetadata, FileType, Kind
from processor.domain.jobs import Delivered, Job, Step, slip_for


def job_of(kind: FileType = FileType.REGULAR, checksum: str | None = None) -> Job:
    file = FileMetadata(b"/w/a", b"a", 1, 2, 3, Kind(kind), checksum)
    return Job("id", 1, file, 1, 0)


@given(st.sampled_from(FileType))
def test_every_slip_ends_in_the_progress_update(kind: FileType) -> None:
    assert slip_for(kind)[-1] is Step.PROGRESS_UPDATE


@given(st.sampled_from(FileType), st.sampled_from(Delivered), st.booleans())
def test_a_job_walks_its_slip_in_order_and_comes_home(kind: FileType, delivered: Delivered, same: bool) -> None:
    job = replace(job_of(), known_checksum="x" if same else "y", delivered=delivered)
    job = job.with_content(replace(job.file, kind=Kind(kind), checksum="x"))
    order = list(Step)
    while job.slip:
        job = job.after(job.current)
    assert job.done[-1] is Step.PROGRESS_UPDATE
    assert list(job.done) == sorted(job.done, key=order.index)


def test_content_that_is_stored_already_goes_home_at_once() -> None:
    job = replace(job_of(), known_checksum="x", delivered=Delivered.MANIFEST)
    job = job.with_content(replace(job.file, checksum="x"))
    assert job.slip[2:] == (Step.PROGRESS_UPDATE,)


def test_changed_content_forgets_what_was_reached() -> None:
    job = replace(job_of(), known_checksum="x", delivered=Delivered.MANIFEST, stored_members=((0, 5),))
    job = job.with_content(replace(job.file, checksum="y", kind=Kind(FileType.ARCHIVE)))
    assert job.delivered is Delivered.NOTHING
    assert job.stored_members == ()
    assert Step.ARCHIVE_EXTRACTION in job.slip


def test_a_step_out_of_order_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        job_of().after(Step.STREAMING)
