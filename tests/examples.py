"""How many examples a property is tried on: a few in the suite, all of them by `make heavy`."""

import os

MANY = bool(os.environ.get("TORTURE"))


def examples(many: int) -> int:
    return many if MANY else max(10, many // 3)
