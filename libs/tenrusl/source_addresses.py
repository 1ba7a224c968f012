"""Addresses as sockets and proxies write them."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address

# Some load balancers write the port besides: 192.0.2.1:4711, [2001:db8::1]:4711 (RFC 7239, section 6).
_WITH_PORT = re.compile(r"(?:([0-9.]+):[0-9]{1,5}|\[([0-9a-fA-F:.]+)\](?::[0-9]{1,5})?)", re.ASCII)


def without_port(text: str) -> str:
    """The text without a port and brackets, if it has them."""
    found = _WITH_PORT.fullmatch(text)
    return text if found is None else found[1] or found[2]


def read_address(text: str) -> Address | None:
    """None for what is no address. A socket of both families shows 192.0.2.1 as ::ffff:192.0.2.1."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
