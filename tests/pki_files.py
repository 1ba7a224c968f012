"""Certificates in files, as a deployment mounts them, by an authority that is made for a test."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from tenrusl.simulator.pki import NOT_AFTER, Issued, PrivateKey, authority, issue
from tenrusl.tls_files import TlsFiles


@cache
def private_authority(name: str = "Private CA") -> Issued:
    """An authority; the same for the same name."""
    return authority(name)


def write_files(
    folder: Path,
    *names: str,
    ca: Issued | None = None,
    trusts: Issued | None = None,
    not_after: datetime = NOT_AFTER,
    key: PrivateKey | None = None,
) -> TlsFiles:
    """Writes certificate, key and authorities into `folder`, which is made, each by a rename.

    names: of the certificate; 127.0.0.1 if none. ca: who issues it; trusts: by whom peers are verified, `ca` if None.
    key: a new one on P-256 if None.
    """
    issuer = ca or private_authority()
    own = key or ec.generate_private_key(ec.SECP256R1())
    issued = issue(issuer, *(names or ("127.0.0.1",)), key=own, not_after=not_after)
    files = TlsFiles(certificate=folder / "tls.crt", key=folder / "tls.key", ca=folder / "ca.crt")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in (
        (files.certificate, issued.certificate_pem),
        (files.key, issued.key_pem),
        (files.ca, (trusts or issuer).certificate_pem),
    ):
        new = path.with_suffix(".new")
        new.write_text(text)
        new.rename(path)
    return files
