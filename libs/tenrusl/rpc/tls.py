"""TLS between our processes: both sides show a certificate and verify the other's by the same authorities.

gRPC speaks TLS 1.2 and 1.3 only. A client asks for a server certificate with the host of its target in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc
import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from prometheus_client import CollectorRegistry

from tenrusl.file_stamps import stamp_of
from tenrusl.observability.certificates import certificate_expiry_gauge
from tenrusl.setting_forms import SettingsError
from tenrusl.tls_files import CA_FILE, CERT_FILE, KEY_FILE, TlsFiles

_log = structlog.get_logger("tls")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The content of the three files, in PEM. expires_at: when the first certificate of the chain ends."""

    certificates: bytes
    key: bytes = field(repr=False)
    authorities: bytes
    expires_at: datetime


def read_identity(files: TlsFiles) -> Identity:
    """Reads the files. Raises SettingsError when one cannot be read, is no PEM, or the key is another certificate's."""
    certificates, key = _read(CERT_FILE, files.certificate), _read(KEY_FILE, files.key)
    authorities = _read(CA_FILE, files.ca)
    chain = _certificates(CERT_FILE, certificates)
    _certificates(CA_FILE, authorities)
    try:
        public_key = load_pem_private_key(key, None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise SettingsError([f"{KEY_FILE}: must hold a private key in PEM, without a password"]) from exc
    if not _is_spoken(public_key):
        raise SettingsError([f"{KEY_FILE}: must be RSA or ECDSA on P-256 or P-384; gRPC takes no other"])
    if public_key != chain[0].public_key():
        raise SettingsError([f"{KEY_FILE}: is not the key of the first certificate in {CERT_FILE}"])
    return Identity(
        certificates=certificates,
        key=key,
        authorities=authorities,
        expires_at=min(certificate.not_valid_after_utc for certificate in chain),
    )


class WatchedIdentity:
    """What the files hold, read again when one changes. Raises SettingsError at first.

    Later files that are wrong are logged and change nothing: half of a change may be written, and what is held may
    be good for a while. Not for several threads at once.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._stamps = self._look()
        self.identity = read_identity(files)

    def refresh(self) -> bool:
        """Whether `identity` is another one than before. Looks at the files' metadata, which takes microseconds."""
        stamps = self._look()
        if stamps == self._stamps:
            return False
        self._stamps = stamps  # before reading: what is written meanwhile is seen the next time
        try:
            identity = read_identity(self._files)
        except SettingsError as exc:
            _log.error("the TLS files are wrong, those before stay in use", problems=exc.problems)
            return False
        changed, self.identity = identity != self.identity, identity
        if changed:
            _log.info("TLS files read", expires_at=identity.expires_at.isoformat())
        return changed

    def _look(self) -> tuple[object, ...]:
        return tuple(stamp_of(path) for path in (self._files.certificate, self._files.key, self._files.ca))


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """For a server that lets in only clients with a certificate. Each new connection meets the files as they are then.

    Raises SettingsError.
    """
    watched = WatchedIdentity(files)

    def fetch() -> Any:
        # Called by threads of gRPC, one at a time. None: as before, which its types do not say.
        return _server_configuration(watched.identity) if watched.refresh() else None

    return grpc.dynamic_ssl_server_credentials(
        _server_configuration(watched.identity), fetch, require_client_authentication=True
    )


def channel_credentials(identity: Identity) -> grpc.ChannelCredentials:
    """For a client that shows its certificate. Fixed: gRPC for Python cannot change those of an open channel."""
    return grpc.ssl_channel_credentials(identity.authorities, identity.key, identity.certificates)


def watch_expiry(registry: CollectorRegistry, files: TlsFiles) -> None:
    """Tells in the metrics when the certificate in the files ends. Raises SettingsError."""
    watched = WatchedIdentity(files)

    def expiry() -> float:
        watched.refresh()
        return watched.identity.expires_at.timestamp()

    certificate_expiry_gauge(registry).set_function(expiry)


def _server_configuration(identity: Identity) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(identity.key, identity.certificates)], root_certificates=identity.authorities
    )


def _is_spoken(key: object) -> bool:
    """Whether gRPC's handshakes succeed with such a key; it takes others without a word."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1)
    return isinstance(key, rsa.RSAPublicKey)


def _read(variable: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise SettingsError([f"{variable}: cannot read {path}: {exc.strerror}"]) from exc


def _certificates(variable: str, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as exc:
        raise SettingsError([f"{variable}: must hold certificates in PEM"]) from exc
