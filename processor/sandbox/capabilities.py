"""Give up the capabilities of root.

Constants are those of linux/capability.h and linux/prctl.h.
"""

import ctypes
import struct

_PR_CAPBSET_READ, _PR_CAPBSET_DROP = 23, 24
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_VERSION_3 = 0x20080522
_DAC_READ_SEARCH = 1 << 2
_MOST = 64

_libc = ctypes.CDLL(None, use_errno=True)


def drop(*, keep_reading: bool) -> bool:
    """Give up every capability, in all five sets; tell whether none is left that was not to be kept.

    With `keep_reading` a process that may read every file still may (CAP_DAC_READ_SEARCH, effective and
    permitted only): what is delivered is what the daemon can read, and Landlock says below which paths.
    """
    for capability in range(_MOST):
        if _libc.prctl(_PR_CAPBSET_READ, capability, 0, 0, 0) == 1:
            _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = struct.pack("=Ii", _VERSION_3, 0)
    sets = ctypes.create_string_buffer(24)  # effective, permitted and inheritable: 32 bits of each, then 32 more
    _libc.capget(header, sets)
    kept = struct.unpack("=6I", sets.raw)[0] & _DAC_READ_SEARCH if keep_reading else 0
    return bool(_libc.capset(header, struct.pack("=6I", kept, kept, 0, 0, 0, 0)) == 0)
