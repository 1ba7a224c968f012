"""Which providers an installation has: built in, declared, and added by packages."""

import json
from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from tenrusl.provider_loading import ENTRY_POINT_GROUP, load_providers
from tenrusl.providers import PROVIDERS
from tenrusl.providers.generic import build_generic, parse_specs
from tenrusl.providers.types import Provider
from tenrusl.settings import Settings, SettingsError, load

SPEC = {
    "signature": {"header": "X-Signature", "signed": "{body}"},
    "event": {"id": "/id", "provider_ref": "/ref"},
}
# What a package would have at module level.
ADDED = build_generic(parse_specs(json.dumps({"providers": {"added": SPEC}}))[0])
NOT_A_PROVIDER = "added"
BADLY_NAMED = replace(ADDED, name="Added-1")


def _settings(file: Path | None = None) -> Settings:
    app_key = "base64:" + "A" * 43 + "="
    return load({"APP_KEY": app_key, "TENRUSL_GENERIC_PROVIDERS_FILE": str(file or "")})


def _entry(name: str, attribute: str, module: str = __name__) -> EntryPoint:
    return EntryPoint(name=name, value=f"{module}:{attribute}", group=ENTRY_POINT_GROUP)


def _declare(path: Path, *names: str) -> Path:
    file = path / "providers.json"
    file.write_text(json.dumps({"providers": dict.fromkeys(names, SPEC)}), encoding="utf-8")
    return file


def test_without_settings_and_packages_there_are_the_built_in_ones() -> None:
    assert load_providers(_settings(), packages=()) == PROVIDERS


def test_the_packages_that_are_installed_are_asked_by_default() -> None:
    assert load_providers(_settings()).keys() >= PROVIDERS.keys()


def test_declared_and_added_providers_stand_beside_them(tmp_path: Path) -> None:
    providers = load_providers(_settings(_declare(tmp_path, "acme", "other")), packages=[_entry("added", "ADDED")])
    assert providers.keys() - PROVIDERS.keys() == {"acme", "other", "added"}
    assert isinstance(providers["acme"], Provider)


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ([_entry("added", "MISSING")], "entry point added of tenrusl.providers: cannot load"),
        ([_entry("added", "ADDED", "no.such.module")], "entry point added of tenrusl.providers: cannot load"),
        ([_entry("added", "NOT_A_PROVIDER")], "is no tenrusl.providers.types.Provider"),
        # A module that fails while it is imported, here for a name that `importlib` cannot take.
        ([_entry("added", "ADDED", "..nowhere")], "entry point added of tenrusl.providers: cannot load"),
        ([_entry("Added-1", "BADLY_NAMED")], "the name must look like"),
        ([_entry("stripe", "ADDED")], "the provider calls itself added"),
        ([_entry("added", "ADDED"), _entry("added", "ADDED")], "there is a provider added already"),
    ],
)
def test_a_package_that_is_wrong_is_named(entries: Iterable[EntryPoint], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        load_providers(_settings(), packages=entries)


def test_nothing_replaces_a_built_in_provider(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="TENRUSL_GENERIC_PROVIDERS_FILE: there is a provider stripe already"):
        load_providers(_settings(_declare(tmp_path, "stripe")), packages=())


def test_a_file_that_is_missing_or_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="TENRUSL_GENERIC_PROVIDERS_FILE: cannot read the file: FileNotFoundError"):
        load_providers(_settings(tmp_path / "none"), packages=())
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"providers": {"acme": {}}}', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"providers\.acme\.signature: is missing"):
        load_providers(_settings(wrong), packages=())


@pytest.mark.parametrize(
    "raw", [b"", b"\xff", b"\xef\xbb\xbf{}", b"[" * 100_000, b"9" * 10_000, b'{"providers": {"a": {"x": "\\ud800"}}}']
)
def test_a_file_of_any_content_is_a_problem_that_names_the_setting(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "providers.json"
    file.write_bytes(raw)
    with pytest.raises(SettingsError, match="TENRUSL_GENERIC_PROVIDERS_FILE: ") as caught:
        load_providers(_settings(file), packages=())
    str(caught.value).encode("utf-8")  # can be logged
