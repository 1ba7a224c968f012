"""What providers say about themselves is whole, and true of the code beside it."""

import itertools
import re

import pytest

from tenrusl.docs.generic_example import generic_example
from tenrusl.docs.setups import setups_of
from tenrusl.errors import Reason
from tenrusl.providers import PROVIDERS
from tenrusl.providers.about import MARKS, About
from tenrusl.providers.types import Headers, Outcome, Provider, SignatureError, SignatureScheme, Webhook
from tenrusl.simulator.offers import OFFERS
from tests.unit.providers.setup_requests import NOW, Configured, configurations, request_of

_DESCRIBED = [*PROVIDERS.values(), generic_example()]
_CONFIGURATIONS = {configured.id: configured for configured in configurations()}
_SIGNED = [
    (configured.id, scheme.name) for configured in _CONFIGURATIONS.values() for scheme in configured.signing_schemes()
]

each_provider = pytest.mark.parametrize("provider", _DESCRIBED, ids=lambda provider: provider.name)
each_signed = pytest.mark.parametrize(("setup", "scheme"), _SIGNED)


def _about(provider: Provider) -> About:
    assert provider.about is not None
    return provider.about


def _prepared(setup: str, scheme: str) -> tuple[Configured, SignatureScheme, Webhook]:
    configured = _CONFIGURATIONS[setup]
    chosen = next(one for one in configured.provider.schemes if one.name == scheme)
    return configured, chosen, request_of(configured, scheme)


@each_provider
def test_a_provider_tells_everything(provider: Provider) -> None:
    about = _about(provider)
    assert all([about.title, about.retries, about.dedup_key, about.weaknesses, about.evidence])
    assert all(evidence.source and set(evidence.marks) <= set(MARKS) for evidence in about.evidence)
    assert all(evidence.marks for evidence in about.evidence)
    assert all(text.endswith(".") for text in about.weaknesses)


def test_titles_differ() -> None:
    titles = [_about(provider).title for provider in _DESCRIBED]
    assert len(set(titles)) == len(titles)


@each_provider
def test_every_credential_is_described_and_no_other(provider: Provider) -> None:
    credentials = _about(provider).credentials
    assert set(credentials) == set(provider.credential_fields)
    assert all(credential.what and credential.found and credential.needed for credential in credentials.values())


@each_provider
def test_every_scheme_says_where_what_and_how(provider: Provider) -> None:
    about = _about(provider)
    proofs = {scheme.name: scheme.describe() for scheme in provider.schemes}
    assert len(proofs) == len(provider.schemes)
    assert set(about.signed) <= set(proofs)
    assert all(
        proof.place and proof.algorithm and (proof.signed or name in about.signed) for name, proof in proofs.items()
    )


@each_provider
def test_replies_that_depend_on_the_request_are_shown_by_examples(provider: Provider) -> None:
    cases = _about(provider).reply_cases
    assert bool(cases) == (provider.replies_for is not None)
    assert all(set(provider.replies_to(webhook)) == set(Outcome) for webhook in cases.values())
    for one, other in itertools.combinations(cases.values(), 2):
        assert provider.replies_to(one) != provider.replies_to(other)


@each_provider
def test_setups_hold_known_fields_and_show_no_secret(provider: Provider) -> None:
    credentials = _about(provider).credentials
    for setup in setups_of(provider):
        assert set(setup.fields) <= set(credentials)
        assert not [field for field, text in setup.fields.items() if text and credentials[field].secret]


@each_provider
def test_setups_show_every_credential_that_some_scheme_needs(provider: Provider) -> None:
    shown = {field for setup in setups_of(provider) for field in setup.fields}
    assert {f for f, c in _about(provider).credentials.items() if c.needed != "optional"} <= shown


@each_provider
def test_the_setups_put_every_scheme_to_use(provider: Provider) -> None:
    used = {scheme for setup, scheme in _SIGNED if _CONFIGURATIONS[setup].provider.name == provider.name}
    assert used == {scheme.name for scheme in provider.schemes}


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_the_time_limit_is_that_which_the_simulator_was_given(name: str) -> None:
    assert PROVIDERS[name].schemes[-1].describe().max_age == OFFERS[name].window_seconds


@each_signed
def test_what_the_simulator_signs_verifies_with_the_setup_that_the_page_shows(setup: str, scheme: str) -> None:
    configured, _, webhook = _prepared(setup, scheme)
    credentials = configured.for_verifying(webhook)
    assert configured.provider.verify(webhook, credentials, NOW).reason is None
    assert configured.provider.scheme_of(webhook, credentials).name == scheme


@each_signed
def test_without_any_of_the_headers_that_are_named_nothing_verifies(setup: str, scheme: str) -> None:
    configured, chosen, webhook = _prepared(setup, scheme)
    credentials = configured.for_verifying(webhook)
    for header in chosen.describe().headers:
        left = [item for item in webhook.headers.items() if item[0].lower() != header.lower()]
        assert len(left) < len(webhook.headers.items()), header
        without = _with(webhook, headers=Headers(left))
        with pytest.raises(SignatureError):
            chosen.verify(without, credentials, NOW)


@each_signed
def test_a_body_that_grew_is_refused_by_those_who_say_that_they_cover_it(setup: str, scheme: str) -> None:
    configured, chosen, webhook = _prepared(setup, scheme)
    credentials = configured.for_verifying(webhook)
    body = webhook.body
    grown = _with(webhook, body=b'{"grown":1,' + body[1:] if webhook.looks_like_json else body + b"&grown=1")
    if configured.provider.covers_body(chosen):
        with pytest.raises(SignatureError):
            chosen.verify(grown, credentials, NOW)
    else:
        assert chosen.verify(grown, credentials, NOW)


@each_signed
def test_the_time_counts_as_the_scheme_says(setup: str, scheme: str) -> None:
    configured, chosen, webhook = _prepared(setup, scheme)
    credentials = configured.for_verifying(webhook)
    proof = chosen.describe()
    for limit, direction, reason in (
        (proof.max_age, 1, Reason.TIMESTAMP_STALE),
        (proof.max_ahead, -1, Reason.TIMESTAMP_IN_FUTURE),
    ):
        if limit is None:
            continue
        assert chosen.verify(webhook, credentials, NOW + direction * (limit - 1))
        with pytest.raises(SignatureError, match=re.escape(reason.value)):
            chosen.verify(webhook, credentials, NOW + direction * (limit + 1))


def _with(webhook: Webhook, *, headers: Headers | None = None, body: bytes | None = None) -> Webhook:
    return Webhook(
        method=webhook.method,
        path=webhook.path,
        query=webhook.query,
        headers=webhook.headers if headers is None else headers,
        body=webhook.body if body is None else body,
        source_ip=webhook.source_ip,
    )
