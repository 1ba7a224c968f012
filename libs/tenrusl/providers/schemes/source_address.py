"""The address that a request comes from, where a provider offers no other proof. It covers no byte of the body."""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from tenrusl.errors import Reason
from tenrusl.providers.about import Proof
from tenrusl.providers.types import Credentials, SignatureError, SignedWebhook, Webhook
from tenrusl.source_addresses import Address, read_address, without_port

_Networks = tuple[IPv4Network | IPv6Network, ...]
_SEPARATORS = re.compile(r"[,\s]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAddressScheme:
    """Addresses or networks, separated by commas, in the credential `allowed`.

    trusted_proxies: the credential with those whose X-Forwarded-For is believed, none by default. Behind them the
    last address that is not a trusted proxy's counts: what stands before it was written by the sender.
    """

    name: str
    allowed: str
    trusted_proxies: str

    def describe(self) -> Proof:
        return Proof(
            place="the address that the request comes from; behind trusted proxies `X-Forwarded-For`",
            algorithm="a list of addresses and networks",
            signed="nothing: it proves where the request comes from",
        )

    def applies(self, webhook: Webhook) -> bool:
        return True

    def verify(self, webhook: Webhook, credentials: Credentials, now: float) -> str:
        versions = credentials.versions(self.allowed)
        allowed = [(version.version, networks_of(version.secret.reveal())) for version in versions]
        proxies: _Networks = ()
        if self.trusted_proxies in credentials:
            for version in credentials.versions(self.trusted_proxies):
                proxies += networks_of(version.secret.reveal())
        source = _source(webhook, proxies)
        for name, networks in allowed:
            if _is_in(source, networks):
                return name
        raise SignatureError(Reason.SOURCE_NOT_ALLOWED)

    def sign(self, webhook: Webhook, credentials: Credentials, now: float) -> SignedWebhook:
        """Nothing: where it is sent from decides."""
        credentials.versions(self.allowed)
        return SignedWebhook(headers={}, body=webhook.body)


def _source(webhook: Webhook, proxies: _Networks) -> Address:
    source = _address(webhook.source_ip)
    if not _is_in(source, proxies):
        return source
    for hop in reversed(",".join(webhook.headers.all("x-forwarded-for")).split(",")):
        if not hop.strip():
            break
        source = _address(without_port(hop.strip()))
        if not _is_in(source, proxies):
            break
    return source


def _address(text: str) -> Address:
    """Raises SignatureError(SOURCE_NOT_ALLOWED) for what is none."""
    address = read_address(text)
    if address is None:
        raise SignatureError(Reason.SOURCE_NOT_ALLOWED)
    return address


def _is_in(address: Address, networks: _Networks) -> bool:
    return any(address in network for network in networks)


@lru_cache(maxsize=64)
def networks_of(text: str) -> _Networks:
    """Raises SignatureError(CREDENTIALS_MISSING) when there is none, or one that cannot be read."""
    try:
        networks = tuple(ip_network(part) for part in _SEPARATORS.split(text) if part)
    except ValueError:
        networks = ()
    if not networks:
        raise SignatureError(Reason.CREDENTIALS_MISSING)
    return networks
