"""Deliver files: hash, upload, verify, manifest, put away.

This code runs beside the credentials and never parses a stranger's content.

digests          Digests of a file and its parts, in one reading
examine          Hash a file and detect its type, in one reading
file_upload      Upload a plain file, if it stands still
key_set          Many keys in little memory
manifest_upload  Store the manifest, the last object of a delivery
object_stream    Deliver every object of a worker's stream
object_upload    Upload one object in parts, each protected by a digest
part_buffers     Buffers for the parts of an upload
quarantine       Move failed, delivered and retried files
rebuild_ledger   Rebuild the ledger from the manifests in the store
superseding      Name the objects that a new delivery leaves behind
verification     Compare the store's answers with our own digests
webhook          Send events to a receiver over HTTP, signed
"""
