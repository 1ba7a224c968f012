"""The secrets of a local stack: made once, kept in a file that only its owner reads, given on by environment."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from tenrusl.crypto import KEY_BYTES

FILE_NAME = "secrets.env"
_HEADER = "# Secrets of this local stack, made by `make run`. Never use them elsewhere.\n"


def kept_secrets(folder: Path, environ: Mapping[str, str], providers: Iterable[str]) -> dict[str, str]:
    """APP_KEY and TENRUSL_WEBHOOK_SECRET_<PROVIDER> by variable name, without those that `environ` sets itself.

    What is missing in the file is made and added to it; what is there stays, for the stored payloads are sealed
    with it. Raises OSError, ValueError when a line is not NAME=VALUE.
    """
    path = folder / FILE_NAME
    kept = _read(path)
    names = ["APP_KEY", *(f"TENRUSL_WEBHOOK_SECRET_{name.upper()}" for name in providers)]
    missing = [name for name in names if name not in kept]
    if missing:
        kept |= {name: _app_key() if name == "APP_KEY" else secrets.token_urlsafe(32) for name in missing}
        _write(path, kept)
    return {name: kept[name] for name in names if not _is_set(name, environ)}


def _is_set(name: str, environ: Mapping[str, str]) -> bool:
    return bool(environ.get(name)) or (name != "APP_KEY" and bool(environ.get(f"{name}_FILE")))


def _app_key() -> str:
    return "base64:" + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def _read(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return {}
    kept = {}
    for number, line in enumerate(lines, start=1):
        if line and not line.startswith("#"):
            name, separator, value = line.partition("=")
            if not separator:
                raise ValueError(f"{path}: line {number} is not NAME=VALUE")
            kept[name] = value
    return kept


def _write(path: Path, kept: Mapping[str, str]) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    text = _HEADER + "".join(f"{name}={value}\n" for name, value in kept.items())
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text)
    fresh.replace(path)  # whole or not at all
