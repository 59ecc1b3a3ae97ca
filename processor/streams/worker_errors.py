"""Errors of tasks that a worker was given."""


class WorkerDiedError(Exception):
    """The worker process ended before it answered."""

    def __init__(self, exitcode: int) -> None:
        super().__init__(exitcode)
        self.exitcode = exitcode


class WorkerCpuTimeError(WorkerDiedError):
    """The worker was ended because its task used more CPU time than it may."""

    def __init__(self, exitcode: int, cpu_seconds: float) -> None:
        super().__init__(exitcode)
        self.cpu_seconds = cpu_seconds


class WorkerBugError(Exception):
    """A function raised in a worker what it should not have; names the type of that."""
