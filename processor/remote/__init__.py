"""Convert and unpack on the hosts of a Dask cluster.

dask_engine   Run functions on the workers of a Dask cluster
dask_worker   Cluster worker: convert in a confined subprocess, fill uploads
dispatch      Hand tasks to the cluster and complete their uploads
engine_link   The link from the daemon to a cluster's workers
join          Join a cluster as the settings say
split_upload  Uploads that a worker fills and the daemon completes
staging       Stage raw files in the store for workers without access
tasks         Small values that travel to a cluster worker and back
"""
