"""Change directories that strangers may write to, by descriptor only.

Nothing else may rename, delete, create or write files that strangers can reach; a test holds it.

beneath       Open directories below a root, never through a link
held          A plain file, held open while it moves
moves         Rename, copy, delete and write files, whatever strangers do
open_writers  Ask the kernel if a file is open for writing
ownership     Directories that belong to the daemon's user alone
syscalls      Call openat2 and renameat2, or what stands in for them
"""
