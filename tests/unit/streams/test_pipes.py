import fcntl
import os

from processor.streams.pipes import wide_pipe


def test_a_wide_pipe_holds_a_mebibyte_or_as_much_as_the_system_lets_it() -> None:
    read_end, write_end = wide_pipe()
    with open(read_end, "rb"), open(write_end, "wb"):
        os.set_blocking(write_end, False)
        held = os.write(write_end, bytes(2 << 20))
        assert held == fcntl.fcntl(write_end, fcntl.F_GETPIPE_SZ) >= 64 << 10
