"""The secrets that `make run` makes and keeps."""

from __future__ import annotations

import random
import stat
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tenrusl.local.keyring import FILE_NAME, kept_secrets, read_secrets
from tenrusl.providers import PROVIDERS
from tenrusl.settings import load
from tenrusl.simulator.traffic import Mix, Traffic
from tenrusl.simulator.variables import SIGNER_PREFIX, from_variables, provider_of

NOW = datetime(2026, 7, 25, 17, 20, tzinfo=UTC)
_DANA, _DANA_KEY = "TENRUSL_WEBHOOK_SECRET_DANA", "TENRUSL_SIMULATOR_DANA__PRIVATE_KEY_PEM"


def test_they_are_made_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    first = kept_secrets(tmp_path, {}, ["mock"])
    assert set(first) == {"APP_KEY", "TENRUSL_ADMIN_KEY", "TENRUSL_WEBHOOK_SECRET_MOCK"}
    assert kept_secrets(tmp_path, {}, ["mock"]) == first
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    load(first)  # the key is well formed


def test_a_provider_that_comes_later_gets_one_and_the_others_keep_theirs(tmp_path: Path) -> None:
    first = kept_secrets(tmp_path, {}, ["mock"])
    later = kept_secrets(tmp_path, {}, ["mock", "stripe"])
    assert later.items() > first.items()
    assert later["TENRUSL_WEBHOOK_SECRET_STRIPE"] not in first.values()


@pytest.mark.parametrize("name", PROVIDERS)
def test_what_the_signer_gets_convinces_a_verifier_that_gets_the_rest(name: str, tmp_path: Path) -> None:
    provider = PROVIDERS[name]
    kept_secrets(tmp_path, {}, [name])
    kept = kept_secrets(tmp_path, {}, [name])  # as it was read from the file
    public = {variable: value for variable, value in kept.items() if not variable.startswith(SIGNER_PREFIX)}
    signer, verifier = (from_variables(variables, [provider])[name] for variables in (kept, public))
    delivery = Traffic({name: signer}, Mix(), run="run", rng=random.Random(1)).next(NOW)
    webhook = delivery.request.webhook(source_ip="127.0.0.1")
    assert provider.verify(webhook, verifier, NOW.timestamp()).valid


@pytest.mark.parametrize("name", ["TENRUSL_WEBHOOK_SECRET_MOCK", "TENRUSL_WEBHOOK_SECRET_MOCK_FILE", "APP_KEY"])
def test_what_the_environment_sets_is_left_to_it(tmp_path: Path, name: str) -> None:
    assert name.removesuffix("_FILE") not in kept_secrets(tmp_path, {name: "set"}, ["mock"])


@pytest.mark.parametrize(
    "name", ["TENRUSL_WEBHOOK_SECRET_PAYPAL", "TENRUSL_PROVIDER_PAYPAL__CERT_PEM", "TENRUSL_PROVIDER_PAYPAL__ROOT_PEMS"]
)
def test_a_real_key_of_a_provider_is_never_mixed_with_simulated_ones(tmp_path: Path, name: str) -> None:
    found = kept_secrets(tmp_path, {name: "real"}, ["paypal", "mock"])
    assert {provider_of(variable) for variable in found} == {None, "mock"}
    assert {provider_of(variable) for variable in read_secrets(tmp_path / FILE_NAME, {name: "real"})} == {None, "mock"}
    assert {provider_of(variable) for variable in read_secrets(tmp_path / FILE_NAME, {})} == {None, "mock", "paypal"}


def test_a_shell_reads_the_same_from_the_file(tmp_path: Path) -> None:
    kept = kept_secrets(tmp_path, {}, ["amazon_bwp", "dana", "payoneer"])
    names = " ".join(kept)
    script = f'. "{tmp_path / FILE_NAME}"; for name in {names}; do eval "printf \'%s\\\\0\' \\"\\$$name\\""; done'
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\0")[:-1] == list(kept.values())


def test_a_file_of_an_earlier_form_keeps_the_key_of_the_stored_payloads_only(tmp_path: Path) -> None:
    made = kept_secrets(tmp_path, {}, ["mock"])
    (tmp_path / FILE_NAME).write_text(f"# Secrets.\nAPP_KEY={made['APP_KEY']}\n{_DANA}=no-key-at-all\n")
    found = kept_secrets(tmp_path, {}, ["dana"])
    assert found["APP_KEY"] == made["APP_KEY"]
    assert found[_DANA].startswith("-----BEGIN PUBLIC KEY-----\n")
    assert found[_DANA_KEY].startswith("-----BEGIN PRIVATE KEY-----\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# comment\nAPP_KEY base64:oops\n", r"secrets\.env: line 2 is not NAME=VALUE$"),
        ("APP_KEY=a b\n", r"line 1 is not NAME=VALUE$"),
        ("export APP_KEY=a\n", r"line 1 is not NAME=VALUE$"),
        ("A=1\n\nB='2\nC=3\n", r"line 3 has a quotation that does not end$"),
    ],
)
def test_a_broken_file_is_named_with_the_line_and_not_its_text(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(ValueError, match=message):
        kept_secrets(tmp_path, {}, [])
