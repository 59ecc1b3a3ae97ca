"""Base actors, with and without threads that do the work."""

import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from types import TracebackType
from typing import Any, assert_never

import pykka

from processor import logs
from processor.actors.messages import Meet, Ping, Process, StepFailed, StepsCompleted
from processor.actors.routes import Routes
from processor.domain.errors import DeliveryError
from processor.domain.jobs import Job, Step

DeathNotice = Callable[[str, BaseException], None]


class BaseActor(pykka.ThreadingActor):
    """One of the actors. pykka supervises nothing: an exception in a told message kills an actor silently.

    Hence `died`, which is called with the actor's name and the exception, from whatever thread it happened in.
    """

    use_daemon_thread = True

    def __init__(self, died: DeathNotice) -> None:
        super().__init__()
        self.name = type(self).__name__.lower()
        self.log = logs.get(self.name).bind()  # else it is put together anew for every line
        self.died = died
        self._routes: Routes | None = None

    @staticmethod
    def _create_actor_inbox() -> Any:
        """Return a mailbox made in C: a message costs less than with pykka's `queue.Queue`."""
        return queue.SimpleQueue()

    @property
    def routes(self) -> Routes:
        """Return everybody; known from the first message on."""
        assert self._routes is not None, "no message comes before Meet"
        return self._routes

    def on_receive(self, message: Any) -> Any:
        """Answer pings and keep the routes to the others; everything else is `handle`d."""
        match message:
            case Ping():
                return True
            case Meet(routes):
                self._routes = routes
                self.met()
                return None
            case _:
                return self.handle(message)

    def met(self) -> None:
        """Begin: the routes are known."""

    def handle(self, message: Any) -> Any:
        """Take one message."""
        raise NotImplementedError

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Notice the death. Everything that is expected was a value, so this is a bug."""
        del exception_type, traceback
        self.died(self.name, exception_value or RuntimeError("died of nothing known"))


class Stage(BaseActor):
    """An actor on the ring, whose mailbox stays short since its work is done in threads.

    `threads` bounds what it does at the same time; the credits bound what it is told.
    """

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
