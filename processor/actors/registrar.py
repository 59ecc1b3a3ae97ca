"""The Registrar: the one actor that talks to the catalog."""

from typing import Any

from processor.actors.base import DeathNotice, Stage
from processor.actors.messages import NotRegistered, Register, Registered
from processor.domain.errors import DeliveryError
from processor.domain.tables import Batch
from processor.tables.catalog_process import CatalogProcess
from processor.tables.requests import CommitBatch


class Registrar(Stage):
    """Takes `Register`. `catalog` is None where no table is anybody's; then nobody asks for one."""

    def __init__(self, died: DeathNotice, catalog: CatalogProcess | None) -> None:
        super().__init__(died, 1)
        self._catalog = catalog

    def handle(self, message: Any) -> Any:
        """Work on a batch in a thread: the catalog may take long."""
        match message:
            case Register(batch):
                self.in_thread(lambda: self._register(batch))
            case _:
                super().handle(message)

    def on_stop(self) -> None:
        """End the catalog's process; a batch on its way is asked for again at the next start."""
        super().on_stop()
        if self._catalog is not None:
            self._catalog.stop()

    def _register(self, batch: Batch) -> None:
        assert self._catalog is not None, "batches are made only where there is a catalog"
        try:
            result = self._catalog.ask(CommitBatch(batch))
        except DeliveryError as error:
            self.routes.progress.tell(NotRegistered(batch, error.failure))
        else:
            self.routes.progress.tell(Registered(batch, result))
