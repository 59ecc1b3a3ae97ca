"""The daemon and its bucket, as the end-to-end tests have them."""

from tests.e2e.conftest import address, counting, daemon, make_daemon, objects

__all__ = ["address", "counting", "daemon", "make_daemon", "objects"]
