"""Start and confine workers.

capabilities  Give up the capabilities of root
channel       Messages between the daemon and a worker
confine       All protections, in the order that works
fork_server   The parent of the workers
landlock      Allow reading of some files only
seccomp       Filter system calls by a BPF program
syscalls      System calls that a worker needs
"""
