"""Notice files: watch a directory tree, wait until what changes has settled, hand over what is whole.

found       one settled file, as it is handed over
settle      when a file counts as whole; pure, time is an argument
age         which files are old enough to need no waiting; pure, and wary of clocks that jump
rescans     when the whole tree is to be looked through; pure
initial     the files that were there at the start, remembered in eight bytes each
exclusions  what lies in the tree and is none of our business: the ledger, the error directory, the store
beneath     opening directories below the root without following a link
walk        looking through directories, lazily
watches     inotify, and where in the tree each watch stands
notes       what an operator should hear of, told once
tree        all of it together: `Tree.look` is what the daemon calls again and again
"""
