"""Send each entry on: as it is, converted, or opened."""

import hashlib
import os
from dataclasses import dataclass, field, replace
from functools import partial

from processor.confined.archives.entry import Entry, Pieces
from processor.confined.archives.errors import BrokenArchiveError, NotOpenedError, TooMuchError
from processor.confined.archives.integrity_scan import IntegrityScan
from processor.confined.archives.limits import Meter
from processor.confined.archives.member_source import LargeMember, head_of, metered
from processor.confined.archives.open import open_archive
from processor.confined.archives.seekable import SeekableMember
from processor.confined.archives.sink import HoldingSink, Sink, Stored
from processor.confined.archives.taken_keys import TakenKeys
from processor.confined.formats import convert
from processor.domain.archives import ExtractionOptions, NestedArchives
from processor.domain.conversion import Facts, Receipt
from processor.domain.detection import HEAD_BYTES, detect
from processor.domain.errors import DeliveryError
from processor.domain.feeds import Feed
from processor.domain.files import REGULAR, ArchiveKind, FileType, Kind
from processor.domain.foreign_text import is_apple_double
from processor.domain.members import Member, MemberReceipt, claimed_keys
from processor.domain.selection import LEFT_OUT
from processor.streams.source import BytesSource, Source

_HELD_BEFORE_PROOF = 8
_MOST_BEHIND = 16  # times a zip's own size


@dataclass(frozen=True, slots=True)
class _EntryPlace:
    """Where we are: which archive, within which others."""

    depth: int = 1
    name: bytes = b""  # of the archives around, each followed by a slash
    raw_name: bytes = b""
    behind_bytes: int = 0  # to be read before the archive can be read anew


@dataclass(slots=True)
class Delivery:
    """One archive on its way to one sink."""

    options: ExtractionOptions
    sink: Sink
    stored: Stored
    meter: Meter
    metadata: Facts
    _claims: TakenKeys = field(default_factory=TakenKeys)
    _proofs: list[IntegrityScan] = field(default_factory=list)
    _held: int = 0

    def run(
        self, source: Source, kind: ArchiveKind, name: bytes, members: range | None, place: _EntryPlace = _EntryPlace()
    ) -> None:
        """Deliver the entries, of the outermost archive only those whose index is in `members`."""
        with open_archive(source, kind, name, self.meter) as archive:
            if archive.proof:
                self._proofs.append(archive.proof)
                if not self._may_hold():
                    archive.proof.begin()
            for entry in archive.entries:
                index = self.meter.count_entry()
                if entry is not None:
                    self._entry(entry, index, place, wanted=members is None or index in members)
                if members is not None and index + 1 >= members.stop:
                    break
            if archive.proof:
                archive.proof.at_the_end()
            if place.depth == 1:
                self._release()

    def _entry(self, entry: Entry, index: int, place: _EntryPlace, *, wanted: bool) -> None:
        """Decide about one entry. Raises BrokenArchiveError only for the archive that the entry lies in."""
        member = self._member(entry, index, place)
        if not wanted:
            return
        if reason := self._no_object(entry, place):
            self.sink.not_a_file(member, reason)
        elif not self.stored(member):
            self._file(entry, member, place)

    def _member(self, entry: Entry, index: int, place: _EntryPlace) -> Member:
        member = Member(index, place.name + entry.name, place.raw_name + entry.raw_name, entry.size_bytes)
        if self._no_object(entry, place):
            return member
        claims = [self._claims.add(key) for key in claimed_keys(member.name, member.key)]
        return member if all(claims) and member.key else replace(member, again=True)

    def _no_object(self, entry: Entry, place: _EntryPlace) -> str:
        """Return why the entry is no object, if so."""
        if entry.not_a_file:
            return entry.not_a_file
        left_out = self.options.patterns.leave_out(self.options.path + b"/" + place.name + entry.name)
        return LEFT_OUT if left_out else ""

    def _file(self, entry: Entry, member: Member, place: _EntryPlace) -> None:
        if entry.failure:
            self.sink.bad(member, entry.failure)
            return
        try:
            self._content(entry, member, place)
        except DeliveryError as error:
            self.sink.bad(member, error.failure)
            if isinstance(error, BrokenArchiveError):
                raise

    def _content(self, entry: Entry, member: Member, place: _EntryPlace) -> None:
        assert entry.first is not None
        before = self.meter.fork()
        pieces = metered(entry.first, self.meter)
        head, whole = head_of(pieces, HEAD_BYTES)
        feed = None if is_apple_double(head) else self._feed(member)
        kind = detect(entry.name.rpartition(b"/")[2], head[:HEAD_BYTES], feed=feed)
        member = replace(member, kind=kind) if kind is not REGULAR else member
        if not self._needs_source(kind):
            self._as_it_is(member, head, pieces)
            return
        if not whole:
            more, whole = head_of(pieces, self.options.buffer_bytes - len(head))
            head += more
        name = os.fsdecode(entry.name)
        if whole:
            self._from_memory(member, BytesSource(name, head), place)
        elif kind.archive is ArchiveKind.ZIP and self._is_far(entry, place):
            self._as_it_is(_kept(member, "it lies too far within what would have to be unpacked again"), head, pieces)
        else:
            again = partial(_metered_again, entry, before)
            source = LargeMember(name, entry.size_bytes, head, pieces, again, about_bytes=entry.about_bytes)
            try:
                self._from_archive(member, source, replace(place, behind_bytes=place.behind_bytes + entry.behind_bytes))
            except NotOpenedError as reason:
                self._as_it_is(_kept(member, str(reason)), b"", again())

    def _is_far(self, entry: Entry, place: _EntryPlace) -> bool:
        """Tell whether reading a zip twice costs many times its own size, as of each of many in a compressed tar."""
        size = max(entry.size_bytes or 0, self.options.buffer_bytes)
        return place.behind_bytes + entry.behind_bytes > _MOST_BEHIND * size

    def _needs_source(self, kind: Kind) -> bool:
        """Tell whether a member is read by more than the one who passes it on."""
        if kind.type is FileType.ARCHIVE:
            return self.options.nested is NestedArchives.EXTRACT
        return kind.type is FileType.DATABASE

    def _as_it_is(self, member: Member, head: bytes, pieces: Pieces) -> None:
        self.sink.begin(member)
        digest, size = hashlib.sha256(head), len(head)
        if head:
            self.sink.data(head)
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
            self.sink.data(piece)
        self._end(member, MemberReceipt(size, digest.hexdigest()))

    def _from_memory(self, member: Member, source: BytesSource, place: _EntryPlace) -> None:
        if member.kind.type is FileType.ARCHIVE:
            self._nested(member, source, replace(place, behind_bytes=0))
            return
        table = self._table(member, source)
        self._end(member, MemberReceipt(len(source.data), table=table))

    def _from_archive(self, member: Member, source: LargeMember, place: _EntryPlace) -> None:
        try:
            if member.kind.archive is ArchiveKind.ZIP:
                self._nested(member, SeekableMember(source, self.options.buffer_bytes), place)
            elif member.kind.archive is not None:
                self._nested(member, source, place)
            else:
                table = self._table(member, source)
                self._end(member, MemberReceipt(source.finish(), table=table))
        except Exception:
            if source.failure is not None:  # what a reader met is the reason, whatever was made of it
                raise source.failure from None
            raise
        finally:
            source.close()

    def _table(self, member: Member, source: Source) -> Receipt:
        assert member.kind.data is not None
        facts = (*self.metadata, ("member", member.name.decode("utf-8", "backslashreplace")))
        feed = self._feed(member)
        options = self.options.conversion
        if feed is not None:
            options, facts = replace(options, declaration=feed.declaration), (*facts, *feed.facts)
        return convert(source, member.kind.data, options, self.sink.output(member), facts)

    def _feed(self, member: Member) -> Feed | None:
        return self.options.feeds.of(self.options.path + b"/" + member.name)

    def _nested(self, member: Member, source: Source, place: _EntryPlace) -> None:
        """Deliver the members of a member. What is wrong with it costs the archive around it nothing."""
        assert member.kind.archive is not None
        self.meter.check_depth(place.depth + 1)
        within = replace(place, depth=place.depth + 1, name=member.name + b"/", raw_name=member.raw_name + b"/")
        proofs = len(self._proofs)
        try:
            self.run(source, member.kind.archive, member.name, None, within)
        except TooMuchError:
            raise
        except BrokenArchiveError as error:
            raise DeliveryError(error.failure) from error
        finally:
            del self._proofs[proofs:]

    def _end(self, member: Member, receipt: MemberReceipt) -> None:
        if self._is_held(member, receipt):
            return
        self._prove()
        self.sink.end(member, receipt)

    def _is_held(self, member: Member, receipt: MemberReceipt) -> bool:
        if not self._may_hold() or not isinstance(self.sink, HoldingSink) or not self.sink.hold(member, receipt):
            return False
        self._held += 1
        if self._held == _HELD_BEFORE_PROOF:
            self._proofs[0].begin()  # there are many: soon there is no room for another
        return True

    def _may_hold(self) -> bool:
        """Tell whether members can wait for the end of the one archive that is not proved yet."""
        return isinstance(self.sink, HoldingSink) and len(self._proofs) == 1 and not self._proofs[0].done

    def _prove(self) -> None:
        for proof in self._proofs:
            proof.wait()
        self._release()

    def _release(self) -> None:
        if self._held and isinstance(self.sink, HoldingSink):
            self.sink.proved()
        self._held = 0


def _kept(member: Member, why: str) -> Member:
    """Return the member with the reason why it is delivered as it is."""
    return replace(member, kind=replace(member.kind, mismatch=f"this zip within an archive is not opened: {why}"))


def _metered_again(entry: Entry, before: Meter) -> Pieces:
    """Yield the content from its first byte once more, counted as it was the first time."""
    assert entry.again is not None
    return metered(entry.again(), before.fork())
