"""Read tar archives.

header  Tar headers and pax records
reader  Read a tar once, from first byte to last
sparse  Sparse tar files: restore the holes as zeros
"""
