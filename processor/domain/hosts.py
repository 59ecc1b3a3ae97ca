"""Names of this host."""

from ipaddress import ip_address


def is_loopback(host: str | None) -> bool:
    """Tell whether a name or an address can not lead off this host."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False
