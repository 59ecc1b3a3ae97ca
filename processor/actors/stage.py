"""Base of actors whose work runs in threads.

So the mailbox stays short while the work takes long.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from typing import Any, assert_never

from processor.actors.base import BaseActor, DeathNotice
from processor.actors.messages import Process, StepFailed, StepsCompleted
from processor.domain.errors import DeliveryError
from processor.domain.jobs import Job, Step


class Stage(BaseActor):
    """An actor on the ring. `threads` bounds what it does at the same time; the credits bound what it is told."""

    def __init__(self, died: DeathNotice, threads: int) -> None:
        super().__init__(died)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=self.name)

    def handle(self, message: Any) -> Any:
        """Work on the message in a thread."""
        match message:
            case Process():
                self.in_thread(lambda: self.guarded(message))
            case _:
                assert_never(message)

    def work(self, message: Process) -> None:
        """Do this stage's steps and pass the job on. Raises DeliveryError."""
        raise NotImplementedError

    def in_thread(self, task: Callable[[], None], threads: ThreadPoolExecutor | None = None) -> None:
        """Run `task` in one of the threads, or of others; whatever it raises is a bug, ends the actor's usefulness."""
        (threads or self._threads).submit(self._to_the_end, task)

    def report(self, job: Job, *steps: Step) -> Job:
        """Tell Progress that `steps` are done and return the job after them. Report first, then pass on."""
        self.routes.progress.tell(StepsCompleted(job, steps))
        return reduce(Job.after, steps, job)

    def pass_on(self, job: Job, message: Process) -> None:
        """Send the job to whoever does its next step."""
        self.routes.next_for(job).tell(Process(job, (), message.resumable, message.digests))

    def on_stop(self) -> None:
        """Leave what is in the threads to itself; the process ends or recovery takes it up."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def guarded(self, message: Process) -> None:
        """Do the work; a failure that is expected is told to Progress."""
        try:
            self.work(message)
        except DeliveryError as error:
            self.routes.progress.tell(StepFailed(message.job, error.failure))

    def _to_the_end(self, task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as error:  # noqa: BLE001 - the thread's border: a bug anywhere must be noticed
            self.died(self.name, error)
