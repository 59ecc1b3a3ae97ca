"""The receiver of extracted members (protocol)."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from processor.domain.errors import Failure
from processor.domain.members import Member, MemberReceipt
from processor.streams.output import Output

Stored = Callable[[Member], bool]


class Sink(Protocol):
    """Receives the members of one archive, one after another, never two at a time.

    A member delivered as it is: `begin`, any number of `data`, `end`. A data member: `output`, what the conversion
    writes there, `end`. Instead of `end`, and also without anything before it, `bad` voids the member: an object
    without its `end` is never complete. An `end` is only called when all checks of the archive that cover the member
    were made.
    """

    def begin(self, member: Member) -> None:
        """Begin a member that is delivered as it is."""
        ...

    def data(self, chunk: bytes) -> None:
        """Take the next bytes of the member that began last; any length but 0."""
        ...

    def output(self, member: Member) -> Output:
        """Return where the conversion of this data member puts its objects."""
        ...

    def end(self, member: Member, receipt: MemberReceipt) -> None:
        """Complete the member; `receipt.table` is set when it was converted."""
        ...

    def bad(self, member: Member, failure: Failure) -> None:
        """Void the member: it can not be delivered. The others can, as far as the container allows."""
        ...

    def not_a_file(self, member: Member, reason: str) -> None:
        """Record a member that is not a file (a link, a device): it has no object and is no error."""
        ...


@runtime_checkable
class HoldingSink(Sink, Protocol):
    """A sink that can wait for the checks of the archive when a member ends, and take the next one meanwhile."""

    def hold(self, member: Member, receipt: MemberReceipt) -> bool:
        """Take the member as whole, to be completed at the next `proved`; return False when there is no room for it."""
        ...

    def proved(self) -> None:
        """Complete what is held."""
        ...
