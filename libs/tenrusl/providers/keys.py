"""Public keys that a webhook asks for and that must be fetched: said here as a value, fetched by tenrusl.keysources."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from tenrusl.providers.types import Credentials, SecretVersion
from tenrusl.secret import Secret

# Version of a credential that was fetched, as it stands beside the events that it verified.
FETCHED = "fetched"

_HTTPS_PORT = 443
# A strict subset of RFC 3986: no userinfo, no percent sign, no query, no fragment, no character beyond ASCII.
_URL = re.compile(
    r"https://(?P<host>[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)(?P<port>:[0-9]{1,5})?(?P<path>(?:/[a-z0-9_~.-]{1,128}){1,8})",
    re.ASCII | re.IGNORECASE,
)


class KeyKind(StrEnum):
    """What stands at the address."""

    CERTIFICATE = "certificate"  # X.509 in PEM, the signer's first
    JWKS = "jwks"  # RFC 7517


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest:
    """A public document that a webhook cannot be verified without.

    host, port, path: of an https address; there is no place for anything else that an address may hold.
    credential: the field of Credentials that the document belongs into. key_id: the key of a JWKS that is wanted.
    """

    kind: KeyKind
    credential: str
    host: str
    port: int
    path: str
    key_id: str = ""

    @property
    def url(self) -> str:
        """For logs."""
        return f"https://{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        """Host, and port unless it is 443: what the Host header says."""
        return self.host if self.port == _HTTPS_PORT else f"{self.host}:{self.port}"


def key_request(
    url: str, *, kind: KeyKind, credential: str, allowed_hosts: Collection[str], key_id: str = ""
) -> KeyRequest | None:
    """The request, or None for an address that must not be called.

    allowed_hosts: in lower case, each `host` or `host:port`; the address must name exactly one of them, so a port,
    a user name, a trailing dot or a look-alike letter is enough to be refused.
    """
    found = _URL.fullmatch(url)
    if found is None:
        return None
    host, port = found["host"].lower(), found["port"] or ""
    if host + port not in allowed_hosts or (port and not 0 < int(port[1:]) <= 65535):
        return None
    segments = found["path"].split("/")
    if "." in segments or ".." in segments:
        return None
    number = int(port[1:]) if port else _HTTPS_PORT
    return KeyRequest(kind=kind, credential=credential, host=host, port=number, path=found["path"], key_id=key_id)


def with_key(credentials: Credentials, request: KeyRequest, document: str) -> Credentials:
    """The credentials and the document that was fetched for them."""
    return Credentials({**credentials.fields, request.credential: (SecretVersion(FETCHED, Secret(document)),)})
