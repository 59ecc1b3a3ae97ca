"""Where objects go: S3 and what must be known about it.

s3          the one client: requests, and foreign errors made ours
connection  boto3 made for us; direct and wire: PUTs without its weight; body: what a request carries
settings    where the store is and how objects are to be stored
errors      what an answer of the store means: this file, this try, or the store as a whole
limits      bandwidth and request rate, shared by all uploads
probe       what this store really does with checksums, conditions and metadata
manifests   the object that says a delivery is complete; written and read piece by piece
verification  stored objects against manifests
orphans     abandoned multipart uploads of ours
embedded    a real S3 server on loopback (leash starts it so that it can not outlive us)
"""
