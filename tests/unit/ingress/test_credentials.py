"""Secrets from the settings, and from files that change."""

import os
from pathlib import Path

import pytest

from services.ingress.credentials import CredentialBook
from tenrusl.providers import PROVIDERS
from tenrusl.settings import CredentialVersions, SettingsError, load_credentials

NAME = "TENRUSL_WEBHOOK_SECRET_MOCK_FILE"


def secrets(book: CredentialBook, provider: str, field: str) -> list[str]:
    return [version.secret.reveal() for version in book[provider].versions(field)]


def book_of(environ: dict[str, str], *files: Path) -> CredentialBook:
    def read() -> CredentialVersions:
        return load_credentials(environ)

    return CredentialBook(PROVIDERS, read(), files=files, read=read)


def test_the_main_secret_goes_to_the_providers_own_field() -> None:
    book = book_of(
        {
            "TENRUSL_WEBHOOK_SECRET_STRIPE": "a",
            "TENRUSL_WEBHOOK_SECRET_STRIPE_NEXT": "b",
            "TENRUSL_WEBHOOK_SECRET_NOSUCH": "c",
        }
    )
    assert secrets(book, "stripe", PROVIDERS["stripe"].secret_field) == ["a", "b"]
    assert list(book) == ["stripe"]


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("one\n")
    book = book_of({NAME: str(path)}, path)
    assert not book.refresh()
    other = tmp_path / "new"
    other.write_text("two")
    os.replace(other, path)  # as Kubernetes does
    assert book.refresh()
    assert secrets(book, "mock", PROVIDERS["mock"].secret_field) == ["two"]
    assert not book.refresh()


def test_a_file_that_vanishes_leaves_the_secret_in_force(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("one")
    book = book_of({NAME: str(path)}, path)
    path.unlink()
    assert not book.refresh()
    assert secrets(book, "mock", PROVIDERS["mock"].secret_field) == ["one"]
    path.write_text("three")
    assert book.refresh()
    assert secrets(book, "mock", PROVIDERS["mock"].secret_field) == ["three"]


def test_a_missing_file_at_the_start_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=NAME):
        load_credentials({NAME: str(tmp_path / "none")})


def test_a_file_that_is_not_filled_yet_leaves_the_secrets_in_force(tmp_path: Path) -> None:
    current, following = tmp_path / "current", tmp_path / "next"
    current.write_text("one")
    environ = {NAME: str(current), "TENRUSL_WEBHOOK_SECRET_MOCK_NEXT_FILE": str(following)}
    following.write_text("two")
    book = book_of(environ, current, following)
    following.write_text("")
    assert not book.refresh()
    assert secrets(book, "mock", PROVIDERS["mock"].secret_field) == ["one", "two"]
