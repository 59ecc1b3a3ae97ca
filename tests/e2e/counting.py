"""How often what was written, as a proxy on the way to the store saw it."""

from collections import Counter

from tests.e2e.daemon import StoreAddress
from tests.faultproxy import FaultProxy, Seen


def through(proxy: FaultProxy, address: StoreAddress) -> StoreAddress:
    return StoreAddress(proxy.endpoint, address.bucket, address.access_key_id, address.secret_access_key)


def uploads(proxy: FaultProxy, bucket: str) -> Counter[str]:
    """Count how often each key was written: PUTs of objects and completed multipart uploads, not parts or probes."""
    written: Counter[str] = Counter()
    for seen in proxy.seen:
        if _writes(seen) and not seen.target.startswith(f"/{bucket}/_probe"):
            written[seen.target.split("?")[0].removeprefix(f"/{bucket}/")] += 1
    return written


def parts_of(proxy: FaultProxy, key: str) -> list[int]:
    """Return the numbers of the parts that were sent of one object, in order."""
    return [seen.part for seen in proxy.seen if seen.part and f"/{key}?" in seen.target]


def _writes(seen: Seen) -> bool:
    return seen.completes or (seen.method == "PUT" and "partNumber" not in seen.target)
