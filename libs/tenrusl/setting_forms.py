"""How the text of a setting is read, and the error about those that are wrong."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from tenrusl.crypto import decode_app_key
from tenrusl.secret import Secret

# A token of RFC 9110, section 5.6.2.
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", re.ASCII)
_TAKEN_HEADERS = frozenset({"connection", "content-length", "host", "transfer-encoding", "x-forwarded-for"})


class SettingsError(Exception):
    """Settings are missing or wrong. `problems` has one line each, starting with the variable's name."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("settings are wrong:\n" + "\n".join(f"  {line}" for line in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a TCP port, 0 for a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Form:
    """Reads a text; raises ValueError, which says what would be right. values: the same for docs/configuration.md.

    is_secret: nobody but the services may know the value.
    """

    read: Callable[[str], Any]
    values: str
    is_secret: bool = False

    def __call__(self, text: str) -> Any:
        return self.read(text)


def integer(low: int, high: int) -> Form:
    """A whole number, both limits included."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError(f"must be a whole number from {low} to {high}") from None
        if not low <= value <= high:
            raise ValueError(f"must be from {low} to {high}")
        return value

    return Form(read, f"whole number, {low} to {high}")


def seconds(low: float, high: float) -> Form:
    """A duration, both limits included."""

    def read(text: str) -> timedelta:
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"must be a number of seconds from {low} to {high}") from None
        if not low <= value <= high:
            raise ValueError(f"must be from {low} to {high} seconds")
        return timedelta(seconds=value)

    return Form(read, f"seconds, {low} to {high}")


def rate(low: float, high: float) -> Form:
    """A number a second, both limits included, or 0."""
    low_text, high_text = f"{low:g}", f"{high:.0f}"

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"must be a number from {low_text} to {high_text}, or 0") from None
        if value and not low <= value <= high:
            raise ValueError(f"must be from {low_text} to {high_text}, or 0")
        return value

    return Form(read, f"a second, {low_text} to {high_text}, or `0`")


def share() -> Form:
    """A number from 0 to 1."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0.0 <= value <= 1.0:
            raise ValueError("must be a number from 0 to 1")
        return value

    return Form(read, "number, 0 to 1")


def choice(kind: type[StrEnum]) -> Form:
    """One of an enumeration's words, in any case."""

    def read(text: str) -> StrEnum:
        try:
            return kind(text.strip().lower())
        except ValueError:
            raise ValueError(f"must be one of {', '.join(kind)}") from None

    return Form(read, ", ".join(f"`{word}`" for word in kind))


def _boolean(text: str) -> bool:
    match text.strip().lower():
        case "true" | "1" | "on" | "yes":
            return True
        case "false" | "0" | "off" | "no":
            return False
    raise ValueError("must be true or false")


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("must be HOST:PORT, e.g. 127.0.0.1:8080")
    return Address(host, int(port))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip().lower() for name in text.split(",") if name.strip())


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError("must be comma separated networks, e.g. 10.0.0.0/8,192.0.2.7") from None


def _header(text: str) -> str:
    if not _HEADER_NAME.fullmatch(text) or text.lower() in _TAKEN_HEADERS:
        raise ValueError("must be the name of an HTTP header that means nothing else, e.g. X-Admin-Key")
    return text


def _pgsql(text: str) -> str:
    if text != "pgsql":
        raise ValueError(f"pgsql only: {text!r} is not supported yet")
    return text


def _database_url(text: str) -> Secret:
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise ValueError("must start with postgresql:// (pgsql only)")
    return Secret(f"postgresql+psycopg://{rest}")


def _app_key(text: str) -> Secret:
    key = Secret(text)
    decode_app_key(key)
    return key


def _app_keys(text: str) -> tuple[Secret, ...]:
    keys = []
    for number, part in enumerate(text.split(","), 1):
        try:
            keys.append(_app_key(part.strip()))
        except ValueError as exc:
            raise ValueError(f"key {number} {exc}") from None
    return tuple(keys)


TEXT = Form(str, "text")
SECRET = Form(Secret, "text", is_secret=True)
FILE = Form(Path, "path of a file")
BOOLEAN = Form(_boolean, "`true` or `false`")
ADDRESS = Form(_address, "`HOST:PORT`; port 0 for a free one")
HEADER = Form(_header, "name of a header")
NAMES = Form(_names, "names with commas between")
NETWORKS = Form(_networks, "networks or addresses with commas between")
PGSQL = Form(_pgsql, "`pgsql`")
DATABASE_URL = Form(_database_url, "`postgresql://user:password@host:port/database`", is_secret=True)
REDIS_URL = Form(Secret, "`redis://:password@host:port/0`", is_secret=True)
APP_KEY = Form(_app_key, "`base64:` and 32 bytes in base64", is_secret=True)
APP_KEYS = Form(_app_keys, "keys like `APP_KEY` with commas between", is_secret=True)
