"""All changes of the ledger, used by Progress alone."""

from processor.ledger.intake import Arrivals
from processor.ledger.outbox import Outbox
from processor.ledger.outcomes import Ends


class Ledger(Arrivals, Ends, Outbox):
    """The writing side, put together from its topics; see `Transactions` for how to open it."""
