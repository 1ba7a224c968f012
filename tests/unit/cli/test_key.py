"""Which key of an operator the command line sends, and where to."""

from pathlib import Path

import pytest
import typer

from tenrusl.cli.rpc import admin_metadata

LOCAL = "dns:///127.0.0.1:50054"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder and no key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TENRUSL_ADMIN_KEY", raising=False)
    monkeypatch.delenv("TENRUSL_ADMIN_KEY_FILE", raising=False)
    return tmp_path


def write_local(folder: Path) -> None:
    (folder / ".tenrusl").mkdir()
    (folder / ".tenrusl/admin.key").write_text("local\n")


def test_without_any_none_is_sent() -> None:
    assert admin_metadata(LOCAL) == ()


def test_the_key_of_a_local_stack_goes_to_this_machine_only(folder: Path) -> None:
    write_local(folder)
    assert admin_metadata(LOCAL) == (("x-admin-key", "local"),)
    assert admin_metadata("dns:///admin.example.com:50054") == ()


def test_what_the_environment_names_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_local(folder)
    (folder / "mine").write_text("from the file\n")
    monkeypatch.setenv("TENRUSL_ADMIN_KEY_FILE", "mine")
    assert admin_metadata(LOCAL) == (("x-admin-key", "from the file"),)
    monkeypatch.setenv("TENRUSL_ADMIN_KEY", "itself")
    assert admin_metadata("dns:///admin.example.com:50054") == (("x-admin-key", "itself"),)


def test_a_file_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TENRUSL_ADMIN_KEY_FILE", "missing")
    with pytest.raises(typer.Exit):
        admin_metadata(LOCAL)
    assert "TENRUSL_ADMIN_KEY_FILE: cannot read it: FileNotFoundError" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["two\nlines", "línea", "key\x7f", "\udce9"])
def test_a_key_that_no_call_can_carry_ends_with_one_line(
    key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TENRUSL_ADMIN_KEY", key)
    with pytest.raises(typer.Exit):
        admin_metadata(LOCAL)
    assert capsys.readouterr().err == "TENRUSL_ADMIN_KEY: must be one line of printable ASCII characters\n"


def test_a_file_with_two_lines_is_no_key(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mine").write_text("one\ntwo\n")
    monkeypatch.setenv("TENRUSL_ADMIN_KEY_FILE", "mine")
    with pytest.raises(typer.Exit):
        admin_metadata(LOCAL)
    assert capsys.readouterr().err.startswith("TENRUSL_ADMIN_KEY_FILE: must be one line")
