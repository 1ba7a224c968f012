"""Simulated credentials go to verifiers and signers by environment variables."""

import random

import pytest

from tenrusl.providers import PROVIDERS
from tenrusl.settings import SettingsError
from tenrusl.simulator import simulated_credentials
from tenrusl.simulator.variables import SIGNER_PREFIX, from_variables, provider_of, to_variables

SIGNERS_ONLY = {
    "amazon_bwp": {"jwks_private_key_pem"},
    "dana": {"private_key_pem"},
    "doku": {"doku_private_key_pem", "notification_private_key_pem"},
    "midtrans": {"snap_private_key_pem"},
    "paddle": {"classic_private_key_pem"},
    "paypal": {"cert_private_key_pem", "cert_url"},
    "standardwebhooks": {"private_key"},
}
OF_NO_REAL_PROVIDER = {"oy": "callback_secret", "payoneer": "shared_secret"}


@pytest.mark.parametrize("name", PROVIDERS)
def test_they_survive_the_way_there_and_back_but_for_the_scheme_that_no_provider_uses(name: str) -> None:
    provider = PROVIDERS[name]
    made = simulated_credentials(provider, random.Random(1))
    variables = to_variables(provider, made)
    expected = {field: versions for field, versions in made.fields.items() if OF_NO_REAL_PROVIDER.get(name) != field}
    assert from_variables(variables, [provider])[name].fields == expected
    signers = {name for name in variables if name.startswith(SIGNER_PREFIX)}
    wanted = {f"{SIGNER_PREFIX}{name.upper()}__{field.upper()}" for field in SIGNERS_ONLY.get(name, ())}
    assert signers == wanted
    assert {provider_of(variable) for variable in variables} == {name}


@pytest.mark.parametrize("name", PROVIDERS)
def test_no_verifier_gets_a_private_key(name: str) -> None:
    variables = to_variables(PROVIDERS[name], simulated_credentials(PROVIDERS[name], random.Random(1)))
    for variable, value in variables.items():
        if not variable.startswith(SIGNER_PREFIX):
            assert "PRIVATE KEY" not in value
            assert not value.startswith("whsk_")


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("TENRUSL_WEBHOOK_SECRET_AMAZON_BWP", "amazon_bwp"),
        ("TENRUSL_WEBHOOK_SECRET_STRIPE_NEXT", "stripe"),
        ("TENRUSL_WEBHOOK_SECRET_STRIPE_FILE", "stripe"),
        ("TENRUSL_WEBHOOK_SECRET_STRIPE_NEXT_FILE", "stripe"),
        ("TENRUSL_PROVIDER_DOKU__CLIENT_ID", "doku"),
        ("TENRUSL_SIMULATOR_DANA__PRIVATE_KEY_PEM", "dana"),
        ("TENRUSL_PROVIDER_DOKU", None),
        ("APP_KEY", None),
    ],
)
def test_a_variable_tells_its_provider(variable: str, name: str | None) -> None:
    assert provider_of(variable) == name


def test_the_secret_of_a_rotation_is_the_newest() -> None:
    variables = {"TENRUSL_WEBHOOK_SECRET_STRIPE": "one", "TENRUSL_WEBHOOK_SECRET_STRIPE_NEXT": "two"}
    (found,) = from_variables(variables, PROVIDERS.values()).values()
    assert [version.secret.reveal() for version in found.versions("signing_secret")] == ["one", "two"]


def test_a_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(SettingsError, match="TENRUSL_WEBHOOK_SECRET_STRIPE_FILE"):
        from_variables({"TENRUSL_WEBHOOK_SECRET_STRIPE_FILE": "/nowhere/at/all"}, PROVIDERS.values())
