"""Every change of the ledger, in one place. One thread owns it: the Progress actor's."""

from processor.ledger.arrivals import Arrivals
from processor.ledger.ends import Ends


class Ledger(Arrivals, Ends):
    """The writing side, put together from its topics; see `Transactions` for how to open it."""
