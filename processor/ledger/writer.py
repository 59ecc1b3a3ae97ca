"""All changes of the ledger, used by Progress alone."""

from processor.ledger.intake import Arrivals
from processor.ledger.outcomes import Ends


class Ledger(Arrivals, Ends):
    """The writing side, put together from its topics; see `Transactions` for how to open it."""
