"""The gateway that is talked to: its address, and one connection to it."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


class NoAnswerError(Exception):
    """The gateway did not answer. Whether it got the request is not known. The text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Scheme, host and port of a gateway."""

    scheme: str
    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine: a loopback address, or `localhost` (RFC 6761, section 6.3). No name is looked
        up, for it may lead elsewhere a moment later.
        """
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host.rstrip(".").lower() == "localhost"


def parse_target(url: str) -> Target:
    """The target of `http://host:port` or https. Raises ValueError, also for a path, a query or a user name in it."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("must be http://HOST:PORT or https://HOST:PORT")
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must have nothing but a scheme, a host and a port")
    return Target(scheme=parts.scheme, host=parts.hostname, port=parts.port or _PORTS[parts.scheme])


def is_loopback_rpc_target(target: str) -> bool:
    """Whether a gRPC target is this machine: `HOST:PORT` or `dns:///HOST:PORT` with such a host."""
    host, colon, port = target.removeprefix("dns:///").rpartition(":")
    if not colon or not port.isdigit():
        return False
    return Target(scheme="", host=host.removeprefix("[").removesuffix("]"), port=int(port)).is_loopback


class Connection:
    """One HTTP/1.1 connection, opened when it is needed and again after an error. For one thread.

    timeout_seconds: for connecting, and for each wait for bytes. No proxy and no redirect is followed.
    """

    def __init__(self, target: Target, *, timeout_seconds: float) -> None:
        self._http: http.client.HTTPConnection = (
            http.client.HTTPSConnection(
                target.host, target.port, timeout=timeout_seconds, context=ssl.create_default_context()
            )
            if target.scheme == "https"
            else http.client.HTTPConnection(target.host, target.port, timeout=timeout_seconds)
        )

    def exchange(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, bytes]:
        """Status and body of the answer. Raises NoAnswerError."""
        kept_alive = self._http.sock is not None
        try:
            return self._once(method, path, headers or {}, body)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as exc:
            if not kept_alive:
                raise NoAnswerError(type(exc).__name__) from exc
        except (OSError, http.client.HTTPException) as exc:
            raise NoAnswerError(_text(exc)) from exc
        # The server may have closed a connection that was idle. Webhooks and questions may be sent twice.
        try:
            return self._once(method, path, headers or {}, body)
        except (OSError, http.client.HTTPException) as exc:
            raise NoAnswerError(_text(exc)) from exc

    def close(self) -> None:
        """Ends the connection."""
        self._http.close()

    def _once(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        try:
            self._http.request(method, path, body=body or None, headers=dict(headers))
            answer = self._http.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self._http.close()
            raise


def _text(exc: Exception) -> str:
    return (exc.strerror if isinstance(exc, OSError) else None) or str(exc) or type(exc).__name__
