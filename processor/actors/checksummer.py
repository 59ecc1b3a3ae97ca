"""The Checksummer: hash, detect the type, put delivered files away."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pykka

from processor.actors.base import DeathNotice, Stage
from processor.actors.messages import BringBack, BroughtBack, Drain, FilePutAway, HandedBack, Process, PutFileAway
from processor.delivery import quarantine
from processor.delivery.digests import HashingStopped
from processor.delivery.examine import examine_for_upload
from processor.domain.feeds import AfterUpload
from processor.domain.files import FileMetadata, FileType, proposed_kind
from processor.domain.jobs import Status, Step
from processor.domain.keys import escape
from processor.domain.timeline import Milestone
from processor.ledger.records import Found, PutAway
from processor.trees.held import ExchangedError, Seen

# One thread hashes at 1.5 GB/s, which is more than most disks give.
_THREADS = 2
# Files from this size on have threads of their own: small ones do not wait until a large one is read.
_LARGE_BYTES = 64 << 20
# Hashing this takes about as long as a worker takes to be ready.
_WORTH_AWAKENING_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class ChecksummerSettings:
    """Where files lie and go; `part_size_bytes` is that of a file's upload, whose digests are taken on the way."""

    root: bytes  # the watched directory
    part_size_bytes: int
    error_directory: bytes
    after_upload_directory: bytes | None = None
    local_workers: bool = True


class Checksummer(Stage):
    """Takes `Process` and `PutFileAway`."""

    def __init__(self, died: DeathNotice, settings: ChecksummerSettings, awaken: Callable[[], None]) -> None:
        """Call `awaken` where it takes a while until a worker is needed: it can start meanwhile."""
        super().__init__(died, _THREADS)
        self._large = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"{self.name}-large")
        self._draining = self._stopping = False
        self._settings = settings
        self._awaken = awaken

    def handle(self, message: Any) -> Any:
        """Hash, or put away."""
        match message:
            case PutFileAway(file):
                self.in_thread(lambda: self._put_away(message), self._large if _is_large(file) else None)
            case Process(job) if _is_large(job.file):
                self.in_thread(lambda: self.guarded(message), self._large)
            case Drain():
                self._draining = True
            case BringBack():
                self.in_thread(lambda: self._bring_back(message))
            case _:
                super().handle(message)

    def work(self, message: Process) -> None:
        """Find out checksum and kind; with them the job's whole slip is known."""
        if message.job.file.size_bytes >= _WORTH_AWAKENING_BYTES and self._is_for_workers(message.job.file):
            self._awaken()
        large = _is_large(message.job.file)
        try:
            examined = examine_for_upload(
                self._settings.root,
                message.job.file,
                self._settings.part_size_bytes,
                lambda: self._stopping or (large and self._draining),
            )
        except HashingStopped:
            with suppress(pykka.ActorDeadError):  # it stops last, but has not waited for us if time was up
                self.routes.progress.tell(HandedBack(message.job))
            return
        file = examined.file
        if file.kind.mismatch:
            self.log.warning("file.type-mismatch", path=escape(file.relative_path), reason=file.kind.mismatch)
        job = message.job.with_content(file).reached(Milestone.HASHED)
        job = self.report(job, Step.CHECKSUM_CALCULATION, Step.TYPE_DETECTION)
        if job.current is not Step.PROGRESS_UPDATE:
            self.pass_on(job, replace(message, digests=examined.digests))
        # Else the content is in the store already: Progress, which has the report, knows what is left to do.

    def on_stop(self) -> None:
        """Stop hashing within a piece: the process would live on until the last thread has ended."""
        self._stopping = True
        self._large.shutdown(wait=False, cancel_futures=True)
        super().on_stop()

    def _is_for_workers(self, file: FileMetadata) -> bool:
        return self._settings.local_workers and proposed_kind(file.name).type is not FileType.REGULAR

    def _put_away(self, message: PutFileAway) -> None:
        file = message.file
        where: bytes | None = None
        gone = held = False
        try:
            if file.status is Status.FAILED:
                where, gone = self._set_aside(message), True
            else:
                gone = self._after_upload(message)
        except ExchangedError:
            held = True
        except OSError as error:
            self.log.error(
                "file.not-put-away",
                path=escape(file.relative_path),
                reason=str(error),
                hint="make the directory writable for the daemon; the file stays where it is until then",
            )
        self.routes.progress.tell(FilePutAway(file, gone, None if where is None else escape(where), held=held))

    def _set_aside(self, message: PutFileAway) -> bytes | None:
        file = message.file
        if file.vanished:
            quarantine.leave_reason(file.relative_path, self._settings.error_directory, _reason(message))
            return None
        return quarantine.set_aside(
            self._settings.root,
            file.relative_path,
            self._settings.error_directory,
            _reason(message),
            _seen(file),
        )

    def _after_upload(self, message: PutFileAway) -> bool:
        """Delete or move a delivered file, never one that has changed since."""
        file = message.file
        if message.after_upload is AfterUpload.KEEP:
            return False
        directory = self._settings.after_upload_directory if message.after_upload is AfterUpload.MOVE else None
        quarantine.put_away(self._settings.root, file.relative_path, directory, _seen(file))
        return True

    def _bring_back(self, message: BringBack) -> None:
        for row, relative_path in message.files:
            try:
                status = quarantine.bring_back(self._settings.root, relative_path, self._settings.error_directory)
            except OSError as error:
                self.log.error("file.not-brought-back", path=escape(relative_path), reason=str(error))
            else:
                found = Found.of(relative_path, status)
                self.routes.progress.tell(BroughtBack(row, found))


def _seen(file: PutAway) -> Seen:
    return Seen(file.size_bytes, file.modified_ns, file.identity)


def _is_large(file: FileMetadata | PutAway) -> bool:
    return file.size_bytes >= _LARGE_BYTES


def _reason(message: PutFileAway) -> dict[str, Any]:
    file = message.file
    failure = file.failure
    return {
        "file": escape(file.relative_path),
        "size_bytes": file.size_bytes,
        "sha256": file.checksum,
        "error_class": failure.error_class,
        "code": failure.code,
        "message": failure.message,
        "hint": failure.hint,
        "step": file.step,
        "tries": file.tries,
        "first_seen": _time(file.created_ms),
        "failed_at": _time(file.failed_ms),
        "bad_members": [{"member": name, "code": bad.code, "message": str(bad)} for name, bad in file.bad_members],
    }


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
