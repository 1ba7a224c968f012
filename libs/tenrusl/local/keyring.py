"""The secrets of a local stack: made once, kept in a file that only its owner reads, given on by environment."""

from __future__ import annotations

import base64
import os
import random
import re
import secrets
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from tenrusl.crypto import KEY_BYTES
from tenrusl.providers import PROVIDERS
from tenrusl.secret import Secret
from tenrusl.simulator import simulated_credentials
from tenrusl.simulator.variables import provider_of, to_variables

FILE_NAME = "secrets.env"
# The last line tells what the file holds. Providers' secrets of another form are made anew, APP_KEY never is.
_HEADER = """\
# Secrets of this local stack, made by `make run`. Never use them elsewhere.
# Format 2: a shell can read it. TENRUSL_SIMULATOR_*: private keys of simulated providers, read by signers only.
"""
_APP_KEY = "APP_KEY"
_ADMIN_KEY = "TENRUSL_ADMIN_KEY"
ADMIN_KEY_FILE_NAME = "admin.key"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def kept_secrets(folder: Path, environ: Mapping[str, str], providers: Iterable[str]) -> dict[str, str]:
    """APP_KEY, TENRUSL_ADMIN_KEY and what each provider's signer and verifier need, by variable name.

    For the names see simulator.variables. A provider of which `environ` sets anything itself is left to it altogether:
    real and simulated keys do not mix.
    What is missing in the file is made and added to it; what is there stays, for the stored payloads are sealed
    with it. Raises OSError, ValueError when the file cannot be read as variables.
    """
    path = folder / FILE_NAME
    kept = _read(path)
    names = list(providers)
    there = {provider_of(variable) for variable in kept}
    made = {name: make() for name, make in ((_APP_KEY, _app_key), (_ADMIN_KEY, _admin_key)) if name not in kept}
    for name in names:
        if name not in there:
            made |= _made_for(name)
    if made:
        kept |= made
        _write(path, kept)
    wanted = {variable: value for variable, value in kept.items() if provider_of(variable) in {None, *names}}
    return _left_to(environ, wanted)


def replace_secrets(folder: Path, variables: Mapping[str, str]) -> None:
    """Sets these variables in the file that `kept_secrets` wrote. Raises OSError, ValueError as it does."""
    path = folder / FILE_NAME
    kept = _read(path)
    changed = {**kept, **variables}
    if changed != kept:
        _write(path, changed)


def read_secrets(path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of a file that `kept_secrets` wrote, without those that it leaves to `environ`.

    Raises OSError, ValueError as `kept_secrets`.
    """
    return _left_to(environ, _parse(path, path.read_text(encoding="utf-8")))


def _left_to(environ: Mapping[str, str], kept: Mapping[str, str]) -> dict[str, str]:
    own = {provider_of(variable) for variable, value in environ.items() if value} - {None}
    return {
        variable: value
        for variable, value in kept.items()
        if not environ.get(variable) and provider_of(variable) not in own
    }


def write_admin_key(folder: Path, key: Secret) -> None:
    """Puts the admin's key where the command line can be told to read it (TENRUSL_ADMIN_KEY_FILE). Raises OSError."""
    _write_own(folder / ADMIN_KEY_FILE_NAME, key.reveal() + "\n")


def _admin_key() -> str:
    return secrets.token_urlsafe(32)


def _app_key() -> str:
    return "base64:" + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def _made_for(provider: str) -> dict[str, str]:
    known = PROVIDERS[provider]
    return to_variables(known, simulated_credentials(known, random.SystemRandom()))


def _read(path: Path) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    kept = _parse(path, text)
    return kept if text.startswith(_HEADER) else {name: kept[name] for name in kept if name == _APP_KEY}


def _parse(path: Path, text: str) -> dict[str, str]:
    """The variables, written as a shell reads them: a quoted value may go over several lines."""
    kept: dict[str, str] = {}
    entry, start = "", 0
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        if not entry and (not line.strip() or line.startswith("#")):
            continue
        start = start if entry else number
        entry += line
        words = _words(entry)
        if words is None:
            continue
        name, separator, value = words[0].partition("=")
        if len(words) > 1 or not separator or not _NAME.fullmatch(name):
            raise ValueError(f"{path}: line {start} is not NAME=VALUE")
        kept[name] = value
        entry = ""
    if entry:
        raise ValueError(f"{path}: line {start} has a quotation that does not end")
    return kept


def _words(entry: str) -> list[str] | None:
    """The words that a shell would see; None while a quotation is open."""
    try:
        return shlex.split(entry)
    except ValueError:
        return None


def _write(path: Path, kept: Mapping[str, str]) -> None:
    _write_own(path, _HEADER + "".join(f"{name}={shlex.quote(value)}\n" for name, value in kept.items()))


def _write_own(path: Path, text: str) -> None:
    """A file that only its owner reads, whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
