"""How seldom documents are fetched, how long they are kept, and what is kept of them."""

import asyncio
import json
import random

import pytest

from tenrusl.keysources import KeySource, KeyUnavailableError
from tenrusl.keysources.source import FRESH_FOR, MAX_KEPT, MAX_REFUSED, PAUSE, REFUSED_FOR, USABLE_FOR
from tenrusl.providers import PROVIDERS
from tenrusl.providers.keys import KeyKind, KeyRequest
from tenrusl.providers.types import Credentials, Headers, Verdict, Webhook
from tenrusl.simulator import sign_webhook, simulated_credentials
from tenrusl.simulator.fetched_keys import publish
from tenrusl.simulator.pki import authority
from tests.unit.keysources.fakes import FakeClock, FakeNetwork

PEM = authority().certificate_pem.encode()
PAYPAL, AMAZON = PROVIDERS["paypal"], PROVIDERS["amazon_bwp"]
PAUSE_SECONDS = PAUSE.total_seconds()
FRESH_SECONDS = FRESH_FOR.total_seconds()


def _certificate(name: str = "1", host: str = "api.paypal.com") -> KeyRequest:
    return KeyRequest(kind=KeyKind.CERTIFICATE, credential="cert_pem", host=host, port=443, path=f"/CERT-{name}")


def _jwks(key_id: str = "") -> KeyRequest:
    return KeyRequest(
        kind=KeyKind.JWKS, credential="jwks", host="amazon.example", port=443, path="/jwks.json", key_id=key_id
    )


def _document_of(seed: int) -> tuple[str, bytes]:
    """A JWKS of one key, and that key's id."""
    text = simulated_credentials(AMAZON, random.Random(seed)).versions("jwks")[0].secret.reveal()
    return json.loads(text)["keys"][0]["kid"], text.encode()


class _World:
    def __init__(self, documents: dict[str, bytes] | None = None) -> None:
        self.clock, self.network = FakeClock(), FakeNetwork(documents)
        self.source = KeySource(self.network.fetch, self.clock)

    async def is_had(self, request: KeyRequest) -> bool:
        try:
            await self.source.get(request)
        except KeyUnavailableError:
            return False
        return True


async def test_a_document_is_fetched_once_and_kept() -> None:
    world = _World({_certificate().url: PEM})
    assert world.source.at_hand(_certificate()) is None
    assert await world.source.get(_certificate()) == PEM.decode()
    assert world.source.at_hand(_certificate()) == PEM.decode()
    world.clock.pass_seconds(FRESH_SECONDS)
    assert await world.source.get(_certificate()) == PEM.decode()
    assert len(world.network.fetched) == 1


async def test_however_many_wait_for_a_document_it_is_fetched_once() -> None:
    world = _World({_certificate().url: PEM})
    world.network.open.clear()
    waiting = [asyncio.create_task(world.source.get(_certificate())) for _ in range(200)]
    while not world.network.fetched:
        await asyncio.sleep(0)
    world.network.open.set()
    assert set(await asyncio.gather(*waiting)) == {PEM.decode()}
    assert len(world.network.fetched) == 1


async def test_whoever_gives_up_waiting_does_not_stop_the_others() -> None:
    world = _World({_certificate().url: PEM})
    world.network.open.clear()
    first, second = (asyncio.create_task(world.source.get(_certificate())) for _ in range(2))
    while not world.network.fetched:
        await asyncio.sleep(0)
    first.cancel()
    world.network.open.set()
    assert await second == PEM.decode()
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_flood_of_forged_addresses_costs_one_fetch_a_minute() -> None:
    world = _World()
    for second in range(600):
        assert not await world.is_had(_certificate(f"forged-{second}"))
        world.clock.pass_seconds(1)
    assert len(world.network.fetched) == 10


async def test_a_flood_of_forged_key_ids_costs_one_fetch_a_minute() -> None:
    known, document = _document_of(1)
    world = _World({_jwks().url: document})
    for second in range(600):
        # The document is had, and the verifier finds no such key in it.
        assert await world.source.get(_jwks(f"forged-{second}")) == document.decode()
        assert world.source.at_hand(_jwks(known)) == document.decode()
        world.clock.pass_seconds(1)
    assert len(world.network.fetched) == 10


async def test_forged_addresses_do_not_keep_a_known_one_from_being_renewed() -> None:
    world = _World({_certificate().url: PEM})
    await world.source.get(_certificate())
    world.clock.pass_seconds(FRESH_SECONDS + 1)
    assert not await world.is_had(_certificate("forged"))
    assert await world.source.get(_certificate()) == PEM.decode()
    assert world.network.fetched.count(_certificate().url) == 2


async def test_hosts_do_not_wait_for_each_other() -> None:
    world = _World({_certificate(host="b").url: PEM})
    assert not await world.is_had(_certificate(host="a"))
    assert await world.is_had(_certificate(host="b"))


async def test_an_address_that_gave_nothing_is_left_alone_for_ten_minutes() -> None:
    world = _World()
    assert not await world.is_had(_certificate())
    world.network.documents[_certificate().url] = PEM
    world.clock.pass_seconds(REFUSED_FOR.total_seconds() - 1)
    assert not await world.is_had(_certificate())
    world.clock.pass_seconds(1)
    assert await world.is_had(_certificate())
    assert len(world.network.fetched) == 2


async def test_a_new_key_is_found_by_its_id() -> None:
    old, document = _document_of(1)
    new, renewed = _document_of(2)
    world = _World({_jwks().url: document})
    await world.source.get(_jwks(old))
    world.network.documents[_jwks().url] = renewed
    assert await world.source.get(_jwks(new)) == document.decode()  # within a minute of the last fetch
    world.clock.pass_seconds(PAUSE_SECONDS)
    assert await world.source.get(_jwks(new)) == renewed.decode()


async def test_a_document_that_cannot_be_renewed_serves_for_another_day() -> None:
    world = _World({_certificate().url: PEM})
    await world.source.get(_certificate())
    world.network.documents.clear()
    world.clock.pass_seconds(USABLE_FOR.total_seconds())
    assert await world.source.get(_certificate()) == PEM.decode()
    assert world.source.at_hand(_certificate()) is None
    world.clock.pass_seconds(1)
    with pytest.raises(KeyUnavailableError):
        await world.source.get(_certificate())
    assert len(world.network.fetched) == 2


@pytest.mark.parametrize(
    ("request_", "document"),
    [
        (_certificate(), b""),
        (_certificate(), b"<html>"),
        (_certificate(), PEM * 9),
        (_certificate(), PEM[:-100]),
        (_certificate(), b"\xff\xfe"),
        (_jwks(), b'{"keys":[]}'),
        (_jwks(), PEM),
        (_jwks(), json.dumps({"keys": [{"kid": str(number)} for number in range(10_000)]}).encode()),
    ],
    ids=["nothing", "html", "nine certificates", "half", "no text", "no keys", "a certificate", "10,000 keys"],
)
async def test_what_is_no_such_document_is_not_kept(request_: KeyRequest, document: bytes) -> None:
    world = _World({request_.url: document})
    assert not await world.is_had(request_)
    assert world.source.at_hand(request_) is None


async def test_memory_is_bounded() -> None:
    world = _World({_certificate(str(n), host=str(n)).url: PEM for n in range(MAX_KEPT + 5)})
    for n in range(MAX_KEPT + MAX_REFUSED + 10):
        await world.is_had(_certificate(str(n), host=str(n)))
    kept = [n for n in range(MAX_KEPT + 5) if world.source.at_hand(_certificate(str(n), host=str(n))) is not None]
    assert kept == list(range(5, MAX_KEPT + 5))


async def test_closing_ends_what_is_under_way() -> None:
    world = _World()
    world.network.open.clear()
    waiting = asyncio.create_task(world.source.get(_certificate()))
    while not world.network.fetched:
        await asyncio.sleep(0)
    await world.source.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def _webhook(provider: str, signer: Credentials, now: float) -> Webhook:
    signed = sign_webhook(PROVIDERS[provider], b"{}", signer, now)
    return Webhook(method="POST", path="/", headers=Headers(list(signed.headers.items())), body=signed.body)


@pytest.mark.parametrize("name", ["paypal", "amazon_bwp"])
async def test_a_webhook_is_verified_with_what_it_names(name: str) -> None:
    provider = PROVIDERS[name]
    signer, published = publish(name, simulated_credentials(provider, random.Random(1)), "127.0.0.1:8443")
    world = _World({f"https://127.0.0.1:8443{path}": document for path, document in published.documents.items()})
    now = world.clock.now().timestamp()
    webhook = _webhook(name, signer, now)
    assert world.source.credentials_at_hand(provider, webhook, published.verifier) is None
    credentials = await world.source.credentials_for(provider, webhook, published.verifier)
    assert provider.verify(webhook, credentials, now) == Verdict(None, "current" if name == "paypal" else "fetched")
    assert world.source.credentials_at_hand(provider, webhook, published.verifier) == credentials


async def test_a_provider_that_needs_no_document_is_not_touched() -> None:
    world, credentials = _World(), Credentials()
    webhook = Webhook(method="POST", path="/", headers=Headers([]), body=b"")
    for provider in PROVIDERS.values():
        assert world.source.credentials_at_hand(provider, webhook, credentials) is credentials
        assert await world.source.credentials_for(provider, webhook, credentials) is credentials
    assert not world.network.fetched
