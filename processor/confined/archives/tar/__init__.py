"""Read tar archives.

header  Tar headers and pax records
reader  Read a tar once, from its first byte to its last
sparse  Sparse tar files: restore the holes as zeros
"""
