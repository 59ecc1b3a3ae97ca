"""The link from the daemon to a cluster's workers."""

from collections.abc import Callable
from dataclasses import dataclass

from processor.domain.errors import Failure
from processor.engine.seam import Engine
from processor.remote.dispatch import Perform


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Workers of a cluster: how they are asked, what they are asked to do, and why that is impossible just now."""

    engine: Engine
    perform: Perform
    problem: Callable[[], Failure | None]
