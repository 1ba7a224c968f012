"""The path that a provider signs is the one that it was told to call, also where a proxy has changed it."""

import random
from dataclasses import replace

import pytest

from tenrusl.errors import Reason
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, Headers, SecretVersion, Webhook
from tenrusl.secret import Secret
from tenrusl.simulator import sign_webhook, simulated_credentials

NOW = 1_785_000_000.0
REGISTERED = "/v1.0/debit/notify"
BODY = b'{"originalReferenceNo":"D-1"}'
CASES = [
    ("dana", "snap_rsa"),
    ("midtrans", "snap_rsa"),
    ("doku", "snap_rsa"),
    ("doku", "snap_symmetric"),
    ("doku", "non_snap"),
]
CREDENTIALS = {name: simulated_credentials(PROVIDERS[name], random.Random(1)) for name in ("dana", "midtrans", "doku")}
every_scheme = pytest.mark.parametrize(("provider", "scheme"), CASES, ids=[f"{p}-{s}" for p, s in CASES])


def _signed(provider: str, scheme: str, path: str = REGISTERED) -> Webhook:
    signed = sign_webhook(PROVIDERS[provider], BODY, CREDENTIALS[provider], NOW, scheme=scheme, path=path)
    return Webhook(method="POST", path=path, headers=Headers(list(signed.headers.items())), body=signed.body)


def _registered(provider: str, *versions: str) -> Credentials:
    paths = tuple(SecretVersion(str(number), Secret(path)) for number, path in enumerate(versions))
    return Credentials({**CREDENTIALS[provider].fields, "notification_path": paths})


def _reason(provider: str, webhook: Webhook, credentials: Credentials) -> Reason | None:
    return PROVIDERS[provider].verify(webhook, credentials, NOW).reason


@every_scheme
def test_without_a_registered_path_the_path_of_the_request_counts(provider: str, scheme: str) -> None:
    webhook = _signed(provider, scheme)
    assert _reason(provider, webhook, CREDENTIALS[provider]) is None
    assert _reason(provider, webhook, _registered(provider, "")) is None  # as in an environment file
    rewritten = replace(webhook, path=f"/api/webhooks/{provider}")
    assert _reason(provider, rewritten, CREDENTIALS[provider]) is Reason.SIGNATURE_MISMATCH


@every_scheme
@pytest.mark.parametrize("versions", [(REGISTERED,), ("/old", REGISTERED), (f"/va {REGISTERED}\n/other",)])
def test_a_registered_path_stands_for_that_of_the_request(
    provider: str, scheme: str, versions: tuple[str, ...]
) -> None:
    credentials = _registered(provider, *versions)
    webhook = _signed(provider, scheme)
    assert _reason(provider, replace(webhook, path=f"/api/webhooks/{provider}"), credentials) is None
    # Only those that are registered count, whatever was called.
    assert _reason(provider, _signed(provider, scheme, "/elsewhere"), credentials) is Reason.SIGNATURE_MISMATCH


@every_scheme
def test_a_changed_body_is_refused_under_every_registered_path(provider: str, scheme: str) -> None:
    forged = replace(_signed(provider, scheme), body=BODY.replace(b"D-1", b"D-2"))
    assert _reason(provider, forged, _registered(provider, f"/a {REGISTERED} /b")) is Reason.SIGNATURE_MISMATCH


@every_scheme
def test_the_simulator_signs_the_first_path_that_is_registered(provider: str, scheme: str) -> None:
    credentials = _registered(provider, f"{REGISTERED} /b")
    signed = sign_webhook(PROVIDERS[provider], BODY, credentials, NOW, scheme=scheme)
    headers = Headers(list(signed.headers.items()))
    webhook = Webhook(method="POST", path=f"/api/webhooks/{provider}", headers=headers, body=signed.body)
    assert _reason(provider, webhook, credentials) is None
    assert _reason(provider, replace(webhook, path=REGISTERED), CREDENTIALS[provider]) is None


@every_scheme
@pytest.mark.parametrize(
    "text", ["v1", "https://pay.example/v1.0/debit/notify", "/a?b=1", "/a#b", "/é", "/ok nope", "/" * 1025, "/a " * 9]
)
def test_what_is_no_path_opens_nothing(provider: str, scheme: str, text: str) -> None:
    assert _reason(provider, _signed(provider, scheme), _registered(provider, text)) is Reason.CREDENTIALS_MISSING


@pytest.mark.parametrize("provider", ["dana", "midtrans", "doku"])
def test_what_is_no_path_is_told_when_it_is_configured(provider: str) -> None:
    check = PROVIDERS[provider].credential_checks["notification_path"]
    check(f"{REGISTERED} /b")
    with pytest.raises(ValueError, match="must be a path such as"):
        check("https://pay.example/notify")


def test_a_request_for_a_token_signs_no_path() -> None:
    credentials = _registered("doku", "/elsewhere")
    assert _reason("doku", _signed("doku", "snap_token_request"), credentials) is None
