"""HTTP headers: those of every answer, the limits of those that come in, and what is read from them."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network

from tenrusl.clock import Clock
from tenrusl.rpc.context import request_id_or_new
from tenrusl.source_addresses import read_address, without_port

RawHeaders = Sequence[tuple[bytes, bytes]]
Network = IPv4Network | IPv6Network

# Real requests have about 20 headers and 2 KiB.
MAX_HEADERS = 128
MAX_HEADER_BYTES = 32 * 1024

REQUEST_ID = b"x-request-id"

# Nothing here is a page: no sniffing, no framing, no caching, no referrer (OWASP REST security cheat sheet).
SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)


def too_large(headers: RawHeaders) -> bool:
    """Whether a request has more headers than MAX_HEADERS or more bytes in them than MAX_HEADER_BYTES."""
    return len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES


def first(headers: RawHeaders, name: bytes) -> bytes | None:
    """The first value of a header; `name` in lower case. None when it is missing."""
    for key, value in headers:  # a generator would cost more than the search
        if key == name:
            return value
    return None


def request_id_of(headers: RawHeaders, clock: Clock) -> str:
    """X-Request-ID if it is well formed, else a new one."""
    return request_id_or_new((first(headers, REQUEST_ID) or b"").decode("latin-1"), clock)


def declared_length(headers: RawHeaders) -> int:
    """Content-Length in bytes, 0 when it is not declared. The HTTP parser has refused malformed ones."""
    value = first(headers, b"content-length")
    # int() reads 4,300 digits at the most, and the parser lets any number of zeros stand before a length.
    return int(value.lstrip(b"0") or b"0") if value else 0


class SourceAddress:
    """Finds the sender's address.

    That is the peer's, except behind a trusted proxy: then the last address in X-Forwarded-For that is not a
    trusted proxy's itself. What stands before it was written by the sender, who may write anything.
    """

    def __init__(self, trusted_proxies: Sequence[Network]) -> None:
        self._trusted_proxies = tuple(trusted_proxies)

    def find(self, peer: str, headers: RawHeaders) -> str:
        """The address in its usual form, e.g. "203.0.113.7"."""
        if not self._trusted_proxies or not self._is_trusted(peer):
            return peer
        source = peer
        forwarded = b",".join(value for name, value in headers if name == b"x-forwarded-for").decode("latin-1")
        for part in reversed(forwarded.split(",")):
            candidate = without_port(part.strip())
            address = read_address(candidate)
            if address is None:
                break
            source = str(address)
            if not self._is_trusted(candidate):
                break
        return source

    def _is_trusted(self, text: str) -> bool:
        address = read_address(text)
        return address is not None and any(address in network for network in self._trusted_proxies)
