"""Notice files, wait until they are whole, hand them over.

age         Judge by time stamps which files are old enough
dispatch    Apply inotify events to the tree
events      Events for the operator, as values
exclusions  Paths in the tree that are never delivered
found       A file that has settled
initial     Files present at the start, for IGNORE_INITIAL
intake      Take entries that were seen until they can be offered
left_out    Count the files that patterns leave out
rescans     Schedule full scans of the tree
scans       Scan the tree: whole, or a new directory
settings    Settings of the watcher
stability   Decide when a file is stable
tree        A watched directory tree: the watcher's single entry point
wake        Wait for the kernel or for another thread's wake-up
walk        Walk a directory tree a few entries at a time
watches     Inotify watches and their places in the tree
"""
