"""Bytes in motion: sources that can be read again, frames on a pipe, and the sandbox of those who make them.

source    where bytes come from: a file, a member of an archive, a buffer
output    where a conversion puts what it makes
frames    the object stream's encoding on the pipe between worker and uploader
inbox     how the main process receives the pipe of a worker
sandbox   what a worker process gives up before it touches a stranger's file
"""
