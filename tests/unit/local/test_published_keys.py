"""The keys of simulated providers are served, and who fetches them gets no copy beside."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tenrusl.keysources import HttpsClient
from tenrusl.local.keyring import FILE_NAME, kept_secrets, read_secrets
from tenrusl.local.published_keys import CA_FILE_NAME, PublishedKeys, may_publish, publish_keys
from tenrusl.providers import PROVIDERS
from tenrusl.providers.keys import with_key
from tenrusl.providers.types import Credentials, Verdict
from tenrusl.simulator.fetched_keys import PUBLISHED
from tenrusl.simulator.traffic import Mix, Traffic
from tenrusl.simulator.variables import SIGNER_PREFIX, from_variables

NOW = datetime(2026, 7, 25, 17, 20, tzinfo=UTC)
NAMES = [*PUBLISHED, "mock"]


def published(folder: Path) -> tuple[dict[str, str], PublishedKeys]:
    """The variables as they were kept, and what was published. To be stopped."""
    kept = kept_secrets(folder, {}, NAMES)
    signers = from_variables(kept, [PROVIDERS[name] for name in NAMES])
    return kept, publish_keys(folder, signers, {name: text for name, text in kept.items() if SIGNER_PREFIX not in name})


def credentials(variables: dict[str, str], name: str) -> Credentials:
    return from_variables(variables, [PROVIDERS[name]])[name]


@pytest.mark.parametrize("name", PUBLISHED)
async def test_a_webhook_signed_from_the_file_is_verified_with_what_is_fetched(name: str, tmp_path: Path) -> None:
    provider = PROVIDERS[name]
    _, keys = published(tmp_path)
    try:
        signer = credentials(read_secrets(tmp_path / FILE_NAME, {}), name)
        webhook = Traffic({name: signer}, Mix(), run="run", rng=random.Random(1)).next(NOW).request.webhook()
        verifier = credentials(dict(keys.environ), name)
        assert not provider.verify(webhook, verifier, NOW.timestamp()).valid
        assert provider.key_needed is not None
        request = provider.key_needed(webhook, verifier)
        assert request is not None
        document = await HttpsClient(ca_file=Path(keys.environ["TENRUSL_KEY_CA_FILE"])).get(request)
    finally:
        keys.stop()
    fetched = with_key(verifier, request, document.decode())
    assert provider.verify(webhook, fetched, NOW.timestamp()) == Verdict(
        None, "current" if name == "paypal" else "fetched"
    )


def test_the_services_get_neither_documents_nor_private_keys(tmp_path: Path) -> None:
    kept, keys = published(tmp_path)
    keys.stop()
    text = "\n".join(keys.environ.values())
    assert "PRIVATE KEY" not in text
    assert not any(name.startswith(SIGNER_PREFIX) for name in keys.environ)
    for name, place in PUBLISHED.items():
        assert place.document in credentials(kept, name)
        assert place.document not in credentials(dict(keys.environ), name)
    assert keys.environ["TENRUSL_WEBHOOK_SECRET_MOCK"] == kept["TENRUSL_WEBHOOK_SECRET_MOCK"]
    assert keys.environ["APP_KEY"] == kept["APP_KEY"]
    assert "PRIVATE KEY" not in (tmp_path / CA_FILE_NAME).read_text()


def test_the_next_run_has_other_addresses_and_the_same_keys(tmp_path: Path) -> None:
    first, keys = published(tmp_path)
    second, more = published(tmp_path)
    keys.stop()
    more.stop()
    third = read_secrets(tmp_path / FILE_NAME, {})
    changed = {name for name in second if first.get(name) != second[name]}
    assert changed == {
        "TENRUSL_SIMULATOR_PAYPAL__CERT_URL",
        "TENRUSL_PROVIDER_PAYPAL__CERT_URL_ALLOWED_HOSTS",
        "TENRUSL_PROVIDER_AMAZON_BWP__JWKS_URL",
    }
    assert {name for name in third if second[name] != third[name]} == changed


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, True),
        ({"TENRUSL_WEBHOOK_SECRET_STRIPE": "real", "TENRUSL_KEY_CA_FILE": ""}, True),
        ({"TENRUSL_KEY_CA_FILE": "/etc/ca.pem"}, False),
        ({"TENRUSL_WEBHOOK_SECRET_PAYPAL": "real"}, False),
        ({"TENRUSL_PROVIDER_AMAZON_BWP__JWKS_URL": "https://example.com/jwks.json"}, False),
    ],
)
def test_keys_are_served_where_no_real_ones_are_fetched(environ: dict[str, str], expected: bool) -> None:
    assert may_publish(environ) is expected


def test_a_secrets_file_that_cannot_be_written_leaves_no_server_behind(tmp_path: Path) -> None:
    kept = kept_secrets(tmp_path, {}, NAMES)
    signers = from_variables(kept, [PROVIDERS[name] for name in NAMES])
    with pytest.raises(FileNotFoundError):
        publish_keys(tmp_path / "nowhere", signers, kept)
    assert "key-server" not in {thread.name for thread in threading.enumerate()}
