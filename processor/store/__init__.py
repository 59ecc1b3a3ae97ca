"""S3-compatible storage, and everything known about it.

answers          Make our values of boto3's answers
body             Request bodies: bytes, or a range of a file
bounds           Bounds for answers: bytes and seconds, whoever answers
connection       A boto3 client configured for this program
die_with_parent  Start a program that dies with its parent
direct           PUT a body with our own signing, without boto3's cost
embedded         A real S3 server (SeaweedFS) as a child process
embedded_binary  Find that server's program and check its digest
embedded_keys    Keys by which that server's parts know each other
errors           Classify the store's errors: this file, this try, the store
from_settings    Store settings, taken from the program's settings
limits           Bandwidth and request-rate limits shared by all uploads
manifests        Read and write manifests in the store
mistakes         Name mistakes in credentials, configuration files and certificates
orphans          Find and abort our abandoned multipart uploads
patience         Retry one request a few times
probe            Probe the store with what looks like a delivery
s3               The store's client: requests, and errors made ours
settings         Settings of the store: address, credentials, object options
signing          AWS Signature Version 4 for one request
verification     Compare stored objects with their manifest
wire             Keep-alive HTTP connections for PUT requests
"""
