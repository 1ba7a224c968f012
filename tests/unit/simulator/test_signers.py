"""Beside every verifier stands a signer: what it signs is accepted, and nothing else."""

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.generic import build_generic, parse_specs
from tenrusl.providers.types import Credentials, Headers, Provider, SecretVersion, SignatureError, Verdict, Webhook
from tenrusl.secret import Secret
from tenrusl.simulator import build, build_thin_event, sign_webhook, simulated_credentials

NOW = datetime(2026, 7, 25, 17, 20, tzinfo=UTC)
HERE, ELSEWHERE = "127.0.0.1", "203.0.113.7"
(GENERIC,) = map(
    build_generic,
    parse_specs(
        """{"providers": {"acme": {
            "signature": {"header": "X-Acme-Signature", "signed": "{timestamp}.{body}"},
            "timestamp": {"header": "X-Acme-Time"},
            "event": {"id": "/id", "provider_ref": "/id"}
        }}}"""
    ),
)


@dataclass(frozen=True, slots=True)
class Case:
    """A scheme, and the credentials that are not configured for it. by_query: a GET."""

    provider: Provider
    scheme: str
    without: Collection[str] = ()
    by_query: bool = False

    def __str__(self) -> str:
        words = [self.provider.name, self.scheme, *(f"without {field}" for field in self.without)]
        return " ".join([*words, "GET"] if self.by_query else words)

    def credentials(self, seed: int) -> Credentials:
        fields = simulated_credentials(self.provider, random.Random(seed)).fields
        return Credentials({name: versions for name, versions in fields.items() if name not in self.without})

    def webhook(self, credentials: Credentials) -> Webhook:
        """As it arrives, signed."""
        content = _body(self)
        body, query = (b"", content.decode()) if self.by_query else (content, "")
        method = "GET" if self.by_query else "POST"
        signed = sign_webhook(
            self.provider, body, credentials, NOW.timestamp(), scheme=self.scheme, method=method, query=query
        )
        return Webhook(
            method=method,
            path=f"/api/webhooks/{self.provider.name}",
            query=signed.query or "",
            headers=Headers(list(signed.headers.items())),
            body=signed.body,
            source_ip=HERE,
        )

    def verify(self, webhook: Webhook, credentials: Credentials) -> Verdict:
        return self.provider.verify(webhook, credentials, NOW.timestamp())


EVERY = [Case(provider, scheme.name) for provider in (*PROVIDERS.values(), GENERIC) for scheme in provider.schemes]
# Where one scheme has several ways, and the simulated credentials would take the first one.
MORE = [
    Case(PROVIDERS["standardwebhooks"], "standard", without=["secret"]),  # v1a alone
    Case(PROVIDERS["standardwebhooks"], "standard", without=["public_key", "private_key"]),
    Case(PROVIDERS["standardwebhooks"], "svix", without=["secret"]),
    Case(PROVIDERS["doku"], "snap_symmetric", without=["access_token"]),  # a token that we issue
    Case(PROVIDERS["payoneer"], "url_token", by_query=True),
    Case(PROVIDERS["payoneer"], "notification_header", by_query=True),
    # Alone in use, it takes whatever comes.
    Case(PROVIDERS["payoneer"], "seed_simulator", without=["url_token", "notification_headers"]),
    Case(PROVIDERS["oy"], "seed_simulator", without=["allowed_ips"]),
]
COVERING = [case for case in EVERY + MORE if case.provider.body_covered or case.scheme in case.provider.covering]


def _body(case: Case) -> bytes:
    if case.provider is GENERIC:
        return b'{"id":"evt_1","amount":"12500"}'
    if case.provider.name == "amazon_bwp":
        return build_thin_event(order_ref="order-1", occurred_at=NOW, rng=random.Random(7))
    return build(
        case.provider.name,
        status=PaymentStatus.SUCCEEDED,
        payment_ref="pay-1",
        merchant_ref="order-1",
        amount_minor=1_250_000,
        currency="IDR",
        occurred_at=NOW,
        rng=random.Random(7),
        scheme=case.scheme,
    )


def _signed(case: Case) -> tuple[Webhook, Credentials]:
    credentials = case.credentials(seed=1)
    return case.webhook(credentials), credentials


@pytest.mark.parametrize("case", EVERY + MORE, ids=str)
def test_what_is_signed_is_accepted_by_the_scheme_that_was_meant(case: Case) -> None:
    webhook, credentials = _signed(case)
    assert case.provider.scheme_of(webhook, credentials).name == case.scheme
    assert case.verify(webhook, credentials) == Verdict(None, "current", body_covered=case in COVERING)


@pytest.mark.parametrize("provider", [*PROVIDERS.values(), GENERIC], ids=lambda provider: provider.name)
def test_webhooks_are_counted_by_the_versions_of_just_the_fields_that_are_said_to_be(provider: Provider) -> None:
    found = set()
    for case in EVERY + MORE:
        if case.provider is not provider:
            continue
        webhook, given = _signed(case)
        # Each field's version is named after the field, so that the verdict tells which one it names.
        credentials = Credentials(
            {
                name: tuple(SecretVersion(name, version.secret) for version in versions)
                for name, versions in given.fields.items()
            }
        )
        if provider.handshake is None or provider.handshake(webhook, credentials, NOW.timestamp()) is None:
            found.add(case.verify(webhook, credentials).version)
    assert found == {provider.secret_field, *provider.counted_fields}


@pytest.mark.parametrize("case", COVERING, ids=str)
def test_a_changed_byte_anywhere_in_a_covered_body_is_refused(case: Case) -> None:
    webhook, credentials = _signed(case)
    assert webhook.body
    for place in range(len(webhook.body)):
        changed = bytearray(webhook.body)
        changed[place] ^= 1
        assert not case.verify(replace(webhook, body=bytes(changed)), credentials).valid, place
    for body in (b"", webhook.body[:-1], webhook.body + b"x"):
        assert not case.verify(replace(webhook, body=body), credentials).valid


@pytest.mark.parametrize("case", EVERY + MORE, ids=str)
def test_other_credentials_are_refused(case: Case) -> None:
    webhook, credentials = _signed(case)
    if case.scheme == "ip_allowlist":  # no secret: where it comes from decides
        others = Credentials({"allowed_ips": (SecretVersion("current", Secret(ELSEWHERE)),)})
        assert not case.verify(replace(webhook, source_ip=ELSEWHERE), credentials).valid
    else:
        others = case.credentials(seed=2)
    assert not case.verify(webhook, others).valid
    assert not case.verify(webhook, Credentials()).valid


@pytest.mark.parametrize("case", EVERY, ids=str)
def test_nothing_is_signed_without_credentials(case: Case) -> None:
    with pytest.raises(SignatureError):
        case.webhook(Credentials())


@pytest.mark.parametrize("case", EVERY + MORE, ids=str)
def test_of_two_versions_the_newest_signs_and_both_verify(case: Case) -> None:
    fields = simulated_credentials(case.provider, random.Random(1), ("current", "next")).fields
    both: Mapping[str, tuple[SecretVersion, ...]] = {
        name: versions for name, versions in fields.items() if name not in case.without
    }
    older = Credentials({name: versions[:1] for name, versions in both.items()})
    for signer, version in ((older, "current"), (Credentials(both), "next")):
        verdict = case.verify(case.webhook(signer), Credentials(both))
        assert verdict.valid
        # Where every version holds the same, the first one matches.
        assert verdict.version == ("current" if case.scheme == "ip_allowlist" else version)
