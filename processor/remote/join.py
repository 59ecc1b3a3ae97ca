"""Join a cluster as the settings say.

Imported only where ENGINE=dask.
"""

import os

from processor.config.settings import Settings
from processor.remote.dask_engine import Cluster, ClusterAddress
from processor.remote.dask_worker import Readiness, perform
from processor.remote.dispatch import target_of
from processor.remote.engine_link import Elsewhere
from processor.store.s3 import S3Store


def join(settings: Settings, store: S3Store) -> Elsewhere:
    """Return the cluster; it is connected when its `problem` is asked for."""
    address = ClusterAddress(
        settings.dask_scheduler, settings.dask_tls_ca, settings.dask_tls_cert, settings.dask_tls_key
    )
    root = None if settings.shared_root is None else os.fsencode(settings.shared_root)
    # Anew each time: what the store was found to do may change.
    cluster = Cluster(address, lambda: Readiness(root, target_of(store)))
    return Elsewhere(cluster, perform, cluster.problem)
