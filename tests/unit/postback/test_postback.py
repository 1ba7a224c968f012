"""Asking a provider's API: how seldom, with which token, and what becomes of every other answer."""

import asyncio
import base64
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from tenrusl.keysources import FetchError, HttpsClient
from tenrusl.keysources.https import Streams
from tenrusl.postback import source
from tenrusl.postback.source import Postback, PostbackUnavailableError
from tenrusl.postback.tokens import PAUSE, REFUSED_FOR, RENEWED_BEFORE
from tenrusl.providers import PROVIDERS
from tenrusl.providers.postback import ANSWER, Answer, ApiClient, Question
from tenrusl.providers.schemes.paypal_postback import read_answer
from tenrusl.providers.types import Credentials, Headers, Provider, Webhook
from tenrusl.secret import Secret
from tenrusl.simulator.pki import Issued, authority, issue
from tests.unit.keysources.fakes import FakeClock

HOST = "api-m.paypal.com"
YES, NO = b'{"verification_status":"SUCCESS"}', b'{"verification_status":"FAILURE"}'
CLIENT = ApiClient(Secret("client-1"), Secret("hush-hush"))


def question(number: int = 1, *, proven: bool = True, clients: tuple[ApiClient, ...] = (CLIENT,)) -> Question:
    return Question(
        host=HOST,
        path="/verify",
        token_path="/token",
        clients=clients,
        body=b'{"n":%d}' % number,
        version="current",
        is_proven=proven,
        read=read_answer,
    )


def basic(client: ApiClient) -> str:
    return "Basic " + base64.b64encode(f"{client.id.reveal()}:{client.secret.reveal()}".encode()).decode()


class FakeApi:
    """PayPal's API. `verdict` answers a question, `known` are the clients' credentials that get a token."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.known = {basic(CLIENT)}
        self.tokens = 0
        self.asked: list[bytes] = []
        self.bearers: list[str] = []
        self.verdict: Callable[[], bytes] = lambda: YES
        self.expires_in: object = 3600
        self.open = asyncio.Event()
        self.open.set()
        self.postback = Postback(self.post, self.clock)

    async def post(self, host: str, path: str, *, authorization: Secret, content_type: str, body: bytes) -> bytes:
        await self.open.wait()
        if path == "/token":
            self.tokens += 1
            assert (content_type, body) == ("application/x-www-form-urlencoded", b"grant_type=client_credentials")
            if authorization.reveal() not in self.known:
                raise FetchError("status 401", 401)
            token = {"access_token": f"token-{self.tokens}", "token_type": "Bearer", "expires_in": self.expires_in}
            return json.dumps(token).encode()
        assert content_type == "application/json"
        self.asked.append(body)
        self.bearers.append(authorization.reveal())
        return self.verdict()

    def fail(self, status: int = 0) -> Callable[[], bytes]:
        def raising() -> bytes:
            raise FetchError(f"status {status}", status)

        return raising


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    fake = FakeApi()
    yield fake
    await fake.postback.close()


async def test_an_answer_is_remembered_and_the_token_kept(api: FakeApi) -> None:
    assert [await api.postback.ask(question(n)) for n in (1, 1, 2, 1)] == [Answer.AUTHENTIC] * 4
    assert len(api.asked) == 2
    assert api.bearers == ["Bearer token-1"] * 2
    api.clock.pass_seconds(source.REMEMBERED_FOR.total_seconds())
    await api.postback.ask(question(1))
    assert len(api.asked) == 3


async def test_a_no_is_remembered_too(api: FakeApi) -> None:
    api.verdict = lambda: NO
    assert [await api.postback.ask(question()) for _ in range(3)] == [Answer.FORGED] * 3
    assert len(api.asked) == 1


@pytest.mark.parametrize("status", [0, 400, 403, 404, 429, 500, 503])
async def test_any_other_answer_is_none_and_not_remembered(api: FakeApi, status: int) -> None:
    api.verdict = api.fail(status)
    assert await api.postback.ask(question()) is Answer.UNCLEAR
    api.verdict = lambda: b"<html>"
    assert await api.postback.ask(question()) is Answer.UNCLEAR
    api.verdict = lambda: YES
    assert await api.postback.ask(question()) is Answer.AUTHENTIC


async def test_however_many_ask_at_once_it_is_asked_once_with_one_token(api: FakeApi) -> None:
    api.open.clear()
    waiting = [asyncio.create_task(api.postback.ask(question(n % 3))) for n in range(60)]
    await asyncio.sleep(0)
    api.open.set()
    assert set(await asyncio.gather(*waiting)) == {Answer.AUTHENTIC}
    assert (len(api.asked), api.tokens) == (3, 1)


async def test_whoever_gives_up_leaves_the_answer_for_the_next(api: FakeApi) -> None:
    api.open.clear()
    first = asyncio.create_task(api.postback.ask(question()))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    api.open.set()
    assert await api.postback.ask(question()) is Answer.AUTHENTIC
    assert len(api.asked) == 1


async def test_a_token_is_renewed_before_it_expires(api: FakeApi) -> None:
    await api.postback.ask(question(1))
    api.clock.pass_seconds(3600 - RENEWED_BEFORE.total_seconds() - 1)
    await api.postback.ask(question(2))
    api.clock.pass_seconds(1)
    await api.postback.ask(question(3))
    assert api.bearers == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize("expires_in", [None, True, "3600", 0, -5, 10**30])
async def test_any_life_of_a_token_is_bounded(api: FakeApi, expires_in: object) -> None:
    api.expires_in = expires_in
    await api.postback.ask(question(1))
    api.clock.pass_seconds(86_400)
    await api.postback.ask(question(2))
    assert api.tokens == 2


async def test_a_token_that_is_refused_is_replaced_once(api: FakeApi) -> None:
    await api.postback.ask(question(1))
    api.clock.pass_seconds(PAUSE.total_seconds())
    answers: Iterator[Callable[[], bytes]] = iter([api.fail(401), lambda: YES])
    api.verdict = lambda: next(answers)()
    assert await api.postback.ask(question(2)) is Answer.AUTHENTIC
    assert api.bearers[-2:] == ["Bearer token-1", "Bearer token-2"]


async def test_an_api_that_refuses_every_token_is_not_asked_without_end(api: FakeApi) -> None:
    api.verdict = api.fail(401)
    for number in range(20):
        assert await api.postback.ask(question(number)) is Answer.UNCLEAR
    assert api.tokens == 1


async def test_a_client_that_is_refused_rests_and_the_next_one_serves(api: FakeApi) -> None:
    old = ApiClient(Secret("client-1"), Secret("withdrawn"))
    for number in range(5):
        assert await api.postback.ask(question(number, clients=(old, CLIENT))) is Answer.AUTHENTIC
        api.clock.pass_seconds(PAUSE.total_seconds())
    assert api.tokens == 2
    assert await api.postback.ask(question(9, clients=(old,))) is Answer.UNCLEAR
    api.known.add(basic(old))
    api.clock.pass_seconds(REFUSED_FOR.total_seconds())
    assert await api.postback.ask(question(9, clients=(old,))) is Answer.AUTHENTIC


async def test_strangers_cause_few_calls_and_take_none_from_proven_ones(api: FakeApi) -> None:
    for number in range(1000):
        await api.postback.ask(question(number, proven=False))
        api.clock.pass_seconds(0.01)
    most = source.UNPROVEN_PER_SECOND * (10 + source.BURST_SECONDS)
    assert most - 1 <= len(api.asked) <= most
    assert await api.postback.ask(question(5000, proven=True)) is Answer.AUTHENTIC


async def test_only_so_many_questions_are_under_way(api: FakeApi) -> None:
    api.open.clear()
    waiting = [asyncio.create_task(api.postback.ask(question(n, proven=False))) for n in range(50)]
    while sum(task.done() for task in waiting) < 50 - source.MAX_UNPROVEN_UNDER_WAY:
        await asyncio.sleep(0)
    api.open.set()
    answers = await asyncio.gather(*waiting)
    assert answers.count(Answer.AUTHENTIC) == source.MAX_UNPROVEN_UNDER_WAY
    assert await api.postback.ask(question(99, proven=False)) is Answer.AUTHENTIC


async def test_memory_is_bounded(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_REMEMBERED", 3)
    for number in (1, 2, 3, 4, 4, 3, 2):
        await api.postback.ask(question(number))
    assert len(api.asked) == 4
    await api.postback.ask(question(1))
    assert len(api.asked) == 5


def provider_asking(*questions: Question) -> Provider:
    return replace(PROVIDERS["mock"], questions=lambda webhook, credentials, now: questions)


WEBHOOK = Webhook(method="POST", path="/", headers=Headers([]), body=b"{}")


@pytest.mark.parametrize(
    ("answers", "found"),
    [([YES], "authentic"), ([NO, YES], "authentic"), ([b"?", YES], "authentic"), ([NO, NO], "forged"), ([], None)],
)
async def test_one_yes_is_enough_and_only_all_noes_are_a_no(
    api: FakeApi, answers: list[bytes], found: str | None
) -> None:
    given = iter(answers)
    api.verdict = lambda: next(given)
    provider = provider_asking(*(question(n) for n in range(len(answers))))
    credentials = await api.postback.credentials_for(provider, WEBHOOK, Credentials(), 0.0)
    versions = credentials.fields.get(ANSWER, ())
    assert [version.secret.reveal() for version in versions] == ([found] if found else [])


@pytest.mark.parametrize("answers", [[b"?"], [b"?", NO], [NO, b"?"]])
async def test_a_doubt_is_no_answer(api: FakeApi, answers: list[bytes]) -> None:
    given = iter(answers)
    api.verdict = lambda: next(given)
    provider = provider_asking(*(question(n) for n in range(len(answers))))
    with pytest.raises(PostbackUnavailableError):
        await api.postback.credentials_for(provider, WEBHOOK, Credentials(), 0.0)


@asynccontextmanager
async def _server(answers: Callable[[str], bytes], certificate: Issued) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A TLS server that records what it gets and answers by path."""
    requests: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        requests.append(head + await reader.readexactly(int(lines[b"Content-Length"])))
        writer.write(answers(head.split(b" ", 2)[1].decode()))
        await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "server.pem"
        path.write_text(certificate.key_pem + certificate.certificate_pem)
        context.load_cert_chain(path)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], requests
    finally:
        server.close()
        await server.wait_closed()


def _http(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


CA = authority()
TOKEN = _http(b'{"access_token":"A21.secret-token","token_type":"Bearer","expires_in":32400}')


def _client(port: int, folder: Path) -> HttpsClient:
    async def connect(host: str, wanted: int, context: ssl.SSLContext) -> Streams:
        assert wanted == 443
        return await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)

    ca_file = folder / "ca.pem"
    ca_file.write_text(CA.certificate_pem)
    return HttpsClient(ca_file=ca_file, connect=connect)


async def test_over_real_tls(tmp_path: Path) -> None:
    async with _server(lambda path: TOKEN if path == "/token" else _http(YES), issue(CA, HOST)) as (port, requests):
        postback = Postback(_client(port, tmp_path).post, FakeClock())
        assert await postback.ask(question()) is Answer.AUTHENTIC
        await postback.close()
    head, _, body = requests[1].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /verify HTTP/1.1\r\nHost: api-m.paypal.com\r\n")
    assert b"\r\nAuthorization: Bearer A21.secret-token\r\n" in head
    assert body == b'{"n":1}'


@pytest.mark.parametrize(
    ("name", "token", "verdict"),
    [
        ("evil.example", TOKEN, _http(YES)),
        (HOST, TOKEN, b"HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n"),
        (HOST, TOKEN, _http(YES, b"500 Oops")),
        (HOST, TOKEN, _http(b"[" * 10 + b"x" * 300_000)),
        (HOST, TOKEN, b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + YES),
        (HOST, _http(b'{"access_token":"a\\r\\nX: y","token_type":"Bearer"}'), _http(YES)),
        (HOST, _http(b'{"access_token":"a","token_type":"mac"}'), _http(YES)),
        (HOST, _http(b'{"error":"invalid_client"}', b"401 Unauthorized"), _http(YES)),
    ],
    ids=["other name", "redirect", "500", "large", "cut off", "header in token", "no bearer", "refused"],
)
async def test_nothing_but_a_clean_answer_counts_and_no_secret_is_logged(
    tmp_path: Path, name: str, token: bytes, verdict: bytes
) -> None:
    async with _server(lambda path: token if path == "/token" else verdict, issue(CA, name)) as (port, _):
        postback = Postback(_client(port, tmp_path).post, FakeClock())
        with structlog.testing.capture_logs() as logs:
            assert await postback.ask(question()) is Answer.UNCLEAR
        await postback.close()
    assert logs
    assert not any(secret in str(logs) for secret in ("hush-hush", "secret-token", basic(CLIENT)[6:]))
