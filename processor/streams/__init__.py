"""Bytes in motion: sources and frames on pipes.

feed           Feed a pipe from a thread, for readers of descriptors
frames         The frames of an object stream on a pipe
inbox          Receive workers' pipes over one inherited socket pair
object_stream  Read an object stream in the main process
output         The destination of a conversion (protocol)
pipes          Pipes with larger buffers
ranges         Read a file in ranges through the process that can
source         Sources of bytes, readable again and again from the start
threads        Threads of a process whose memory is bounded
worker_end     A worker's end of the inbox
worker_errors  Errors of tasks that a worker was given
"""
