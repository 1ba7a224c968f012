"""Every shared sample, signed as its provider signs it and sent over a socket: what stands in the row."""

import asyncio
import random
import re
from dataclasses import asdict, replace
from functools import cache
from typing import Any

import pytest

from tenrusl.providers import PROVIDERS, money
from tenrusl.providers.types import Credentials, Outcome
from tenrusl.simulator.keys import simulated_credentials
from tenrusl.simulator.signing import sign_webhook
from tenrusl.simulator.variables import SIGNER_PREFIX, to_variables
from tests.integration.http.http_stack import HttpRequest, HttpStack, StoredEvent
from tests.integration.http.test_vectors import assert_is, assert_nothing_stored, reply_to
from tests.unit.providers.test_provider_samples import SAMPLES, time_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = 1_785_000_000
OURS, ANOTHER = 1, 2
# Samples of another scheme than the one that the provider uses as a rule.
_SCHEMES = {"doku: snap VA payment": "snap_symmetric"}
_KEYED_BY_MERCHANT = {"dana", "doku", "midtrans"}
# Midtrans' samples come with the signature of somebody else's key; ours stands at the end.
_SIGNATURE_KEY = re.compile(r'"signature_key":"[^"]*",')
_BODY_NOT_COVERED = {"midtrans", "oy", "payoneer", "skrill", "xendit"}


_FACTS = (
    "provider",
    "event_id",
    "event_type",
    "status",
    "payment_status",
    "payment_ref",
    "provider_ref",
    "merchant_ref",
    "amount_minor",
    "currency",
    "occurred_at",
    "source_ip",
    "signature_version",
    "unauthenticated_body",
)


def sample_id(sample: dict[str, Any]) -> str:
    return f"{sample['provider']}: {sample['name']}"


_FIRST = list({sample["provider"]: sample for sample in reversed(SAMPLES)}.values())
_ELSEWHERE = ("X-Forwarded-For", "203.0.113.9")


@cache
def _signer(provider: str, seed: int) -> Credentials:
    return simulated_credentials(PROVIDERS[provider], random.Random(seed))


def _configure(stack: HttpStack, *providers: str) -> None:
    """The simulated credentials, read as ingress reads them; what only signs is given to nobody."""
    variables: dict[str, str] = {}
    for provider in providers:
        variables |= to_variables(PROVIDERS[provider], _signer(provider, OURS))
    stack.configure({name: text for name, text in variables.items() if not name.startswith(SIGNER_PREFIX)}, NOW)


def _signed(sample: dict[str, Any], *, as_query: bool = False, seed: int = OURS) -> HttpRequest:
    """as_query: a GET, with the sample's pairs in its address. seed: another one makes another signer."""
    provider = PROVIDERS[sample["provider"]]
    text = _SIGNATURE_KEY.sub("", sample["body"])
    signed = sign_webhook(
        provider,
        b"" if as_query else text.encode(),
        _signer(provider.name, seed),
        NOW,
        scheme=_SCHEMES.get(sample_id(sample)),
        method="GET" if as_query else "POST",
        query=text if as_query else "",
        headers={} if as_query else {"Content-Type": sample["content_type"]},
    )
    return HttpRequest(
        method="GET" if as_query else "POST",
        target=f"/api/webhooks/{provider.name}{'?' if signed.query else ''}{signed.query}",
        headers=list(signed.headers.items()),
        body=signed.body,
    )


def _expected(sample: dict[str, Any]) -> dict[str, Any]:
    provider, expect = sample["provider"], sample["expect"]
    amount = expect["amount"]
    return {
        "provider": provider,
        "event_id": expect["dedup_key"],
        "event_type": expect["event_type"],
        "status": "received",
        "payment_status": expect["status"],
        "payment_ref": expect["merchant_ref" if provider in _KEYED_BY_MERCHANT else "provider_ref"],
        "provider_ref": expect["provider_ref"],
        "merchant_ref": expect["merchant_ref"],
        "amount_minor": None if amount is None else money.minor_from_major(amount, expect["currency"]),
        "currency": expect["currency"],
        "occurred_at": time_of(expect["occurred_at"], provider),
        "source_ip": "127.0.0.1",
        "signature_version": "current",
        "unauthenticated_body": provider in _BODY_NOT_COVERED,
    }


def _facts(event: StoredEvent) -> dict[str, Any]:
    """What `_expected` tells of a sample."""
    return {name: getattr(event, name) for name in _FACTS}


async def _assert_stored_once(stack: HttpStack, sample: dict[str, Any], request: HttpRequest, payload: bytes) -> None:
    provider = PROVIDERS[sample["provider"]]
    assert_is(await stack.send(request.encode()), reply_to(request, Outcome.ACCEPTED, provider))
    (event,) = await stack.events()
    assert _facts(event) == _expected(sample)
    assert (event.deliveries, event.payload) == (1, payload)
    assert_is(await stack.send(request.encode()), reply_to(request, Outcome.DUPLICATE, provider))
    (again,) = await stack.events()
    assert asdict(again) == asdict(event) | {"deliveries": 2}
    assert stack.asked == []


@pytest.mark.parametrize("sample", SAMPLES, ids=sample_id)
async def test_a_sample_is_stored_once_as_it_says(sample: dict[str, Any], stack: HttpStack) -> None:
    _configure(stack, sample["provider"])
    request = _signed(sample)
    await _assert_stored_once(stack, sample, request, request.body)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s["provider"] == "payoneer"], ids=sample_id)
async def test_a_sample_in_the_query_of_a_get_is_stored_once_as_it_says(
    sample: dict[str, Any], stack: HttpStack
) -> None:
    _configure(stack, "payoneer")
    await _assert_stored_once(stack, sample, _signed(sample, as_query=True), sample["body"].encode())


async def test_samples_of_all_providers_at_once_are_each_answered_as_their_own(stack: HttpStack) -> None:
    _configure(stack, *(sample["provider"] for sample in _FIRST))
    different = {(sample["provider"], sample["expect"]["dedup_key"]): sample for sample in SAMPLES}.values()
    genuine = [_signed(sample) for sample in different]
    forged = [_signed(sample, seed=ANOTHER) for sample in _FIRST if sample["provider"] != "oy"]  # which signs nothing
    answers = await asyncio.gather(*(stack.send(request.encode()) for request in (*genuine, *forged)))
    outcomes = [Outcome.ACCEPTED] * len(genuine) + [Outcome.REJECTED] * len(forged)
    for request, answer, outcome in zip((*genuine, *forged), answers, outcomes, strict=True):
        assert_is(answer, reply_to(request, outcome, PROVIDERS[request.target.split("/")[-1]]))
    stored = [_facts(event) for event in await stack.events()]
    assert len(stored) == len(different)
    assert sorted(stored, key=repr) == sorted((_expected(sample) for sample in different), key=repr)


@pytest.mark.parametrize("sample", _FIRST, ids=sample_id)
async def test_a_sample_of_another_signer_is_rejected(sample: dict[str, Any], stack: HttpStack) -> None:
    provider = PROVIDERS[sample["provider"]]
    _configure(stack, provider.name)
    request = _signed(sample, seed=ANOTHER)
    request = replace(request, headers=[*request.headers, _ELSEWHERE])  # all that tells OY from others
    assert_is(await stack.send(request.encode()), reply_to(request, Outcome.REJECTED, provider))
    await assert_nothing_stored(stack)
