"""The files of TLS between our processes: all three or none."""

from dataclasses import dataclass
from pathlib import Path

from tenrusl.setting_forms import SettingsError

CERT_FILE = "TENRUSL_GRPC_TLS_CERT_FILE"
KEY_FILE = "TENRUSL_GRPC_TLS_KEY_FILE"
CA_FILE = "TENRUSL_GRPC_TLS_CA_FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files. certificate: of this process, then its intermediates. ca: the authorities that verify peers."""

    certificate: Path
    key: Path
    ca: Path


def tls_files(*, certificate: Path | None, key: Path | None, ca: Path | None) -> TlsFiles | None:
    """None where none is set. Raises SettingsError, which names those that are missing beside others."""
    if certificate and key and ca:
        return TlsFiles(certificate=certificate, key=key, ca=ca)
    named = {CERT_FILE: certificate, KEY_FILE: key, CA_FILE: ca}
    if any(named.values()):
        raise SettingsError(
            [f"{name}: is missing; set all of {', '.join(named)}, or none" for name, path in named.items() if not path]
        )
    return None
