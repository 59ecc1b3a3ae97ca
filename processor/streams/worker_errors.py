"""Errors of tasks that a worker was given."""


class WorkerDiedError(Exception):
    """The worker process ended before it answered."""

    def __init__(self, exitcode: int) -> None:
        super().__init__(exitcode)
        self.exitcode = exitcode


class WorkerBugError(Exception):
    """A function raised in a worker what it should not have; names the type of that."""
