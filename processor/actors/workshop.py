"""What Converter and Extractor share: a stream that a worker makes while the Uploader consumes it."""

import uuid
from collections.abc import Callable
from typing import TypeVar

from processor.actors.base import DeathNotice
from processor.actors.messages import Process
from processor.actors.stage import Stage
from processor.config import Settings
from processor.engine.pool import Pool
from processor.streams.inbox import Inbox
from processor.streams.object_stream import ObjectStream

_Request = TypeVar("_Request")


class WorkerStage(Stage):
    """A stage whose work is done by the pool."""

    def __init__(self, died: DeathNotice, settings: Settings, pool: Pool, inbox: Inbox) -> None:
        super().__init__(died, threads=1)
        self.settings = settings
        self._pool = pool
        self._inbox = inbox

    def start_stream(
        self, message: Process, function: Callable[[_Request], None], request: Callable[[str], _Request]
    ) -> None:
        """Submit `function(request(stream_id))` and pass the job on with the stream.

        The Uploader reports the step when the stream has ended, in its order: only the stream's end tells.
        """
        stream_id = str(uuid.uuid4())
        arrived = self._inbox.expect(stream_id)
        work = self._pool.submit(function, request(stream_id))
        stream = ObjectStream(stream_id, self._inbox, arrived, work, self.settings.worker_timeout / 1000)
        self.crew.uploader.tell(Process(message.job, stream, message.resumable))
