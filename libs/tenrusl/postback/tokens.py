"""Bearer tokens for providers' APIs (RFC 6749, section 4.4): bought once, kept until shortly before they expire."""

import asyncio
import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final, Protocol

import structlog

from tenrusl.clock import Clock
from tenrusl.keysources.https import FetchError
from tenrusl.providers.body import MalformedWebhookError, parse_json
from tenrusl.providers.postback import ApiClient
from tenrusl.secret import Secret

RENEWED_BEFORE: Final = timedelta(seconds=60)  # its end, so that none runs out on its way
PAUSE: Final = timedelta(seconds=5)  # between two tries to buy a token for one client
REFUSED_FOR: Final = timedelta(seconds=60)  # a client that the provider does not know
_LONGEST_SECONDS = 86_400  # PayPal gives nine hours; whoever says more is asked again after a day
_DEFAULT_SECONDS = 300  # RFC 6749, section 5.1, recommends `expires_in` and does not require it
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}", re.ASCII)
_FORM = "application/x-www-form-urlencoded"
_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)  # RFC 6749, section 5.2
_log = structlog.get_logger("postback")
_Buyer = tuple[str, ApiClient]


class Post(Protocol):
    """Sends one POST to port 443; see HttpsClient.post."""

    async def __call__(self, host: str, path: str, *, authorization: Secret, content_type: str, body: bytes) -> bytes:
        """The body of an answer with status 200. Raises FetchError."""
        ...


class NoTokenError(Exception):
    """There is no token now. The text says why, for a log."""


@dataclass(frozen=True, slots=True)
class _Kept:
    token: Secret
    expires_at: datetime


class TokenSource:
    """Tokens by host and client. For one event loop."""

    def __init__(self, post: Post, clock: Clock) -> None:
        self._post = post
        self._clock = clock
        # Clients come from settings, so all of these stay small; a rotated one leaves a few bytes behind.
        self._kept: dict[_Buyer, _Kept] = {}
        self._not_before: dict[_Buyer, datetime] = {}
        self._under_way: dict[_Buyer, asyncio.Task[Secret]] = {}

    async def get(self, host: str, path: str, clients: Sequence[ApiClient]) -> Secret:
        """A token of the first client that gets one. Raises NoTokenError.

        However many ask at once, it is bought once.
        """
        why = "no client"
        for client in clients:
            try:
                return await self._token_of(host, path, client)
            except NoTokenError as exc:
                why = str(exc)
        raise NoTokenError(why)

    def forget(self, token: Secret) -> None:
        """Does not give this token any more: the API has refused it."""
        for buyer, kept in list(self._kept.items()):
            if kept.token == token:
                del self._kept[buyer]

    async def close(self) -> None:
        """Ends what is under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _token_of(self, host: str, path: str, client: ApiClient) -> Secret:
        buyer = (host, client)
        kept = self._kept.get(buyer)
        if kept is not None and self._clock.now() < kept.expires_at - RENEWED_BEFORE:
            return kept.token
        buying = self._under_way.get(buyer)
        if buying is None:
            if self._clock.now() < self._not_before.get(buyer, self._clock.now()):
                raise NoTokenError("no token a short time ago")
            buying = self._start(buyer, path)
        # Whoever waits may give up; the purchase goes on for the others.
        return await asyncio.shield(buying)

    def _start(self, buyer: _Buyer, path: str) -> asyncio.Task[Secret]:
        self._not_before[buyer] = self._clock.now() + PAUSE
        task = asyncio.create_task(self._buy(buyer, path))
        self._under_way[buyer] = task
        task.add_done_callback(lambda done: self._finished(buyer, done))
        return task

    def _finished(self, buyer: _Buyer, done: asyncio.Task[Secret]) -> None:
        del self._under_way[buyer]
        if not done.cancelled():
            done.exception()  # is known, also when nobody waits any more

    async def _buy(self, buyer: _Buyer, path: str) -> Secret:
        host, client = buyer
        pair = f"{client.id.reveal()}:{client.secret.reveal()}".encode()
        authorization = Secret(f"Basic {base64.b64encode(pair).decode()}")
        try:
            raw = await self._post(
                host, path, authorization=authorization, content_type=_FORM, body=b"grant_type=client_credentials"
            )
        except FetchError as exc:
            _log.warning("no token", host=host, error=str(exc))
            if exc.status in _REFUSALS:
                self._not_before[buyer] = self._clock.now() + REFUSED_FOR
            raise NoTokenError(str(exc)) from None
        found = _read(raw)
        if found is None:
            _log.warning("no token", host=host, error="the answer cannot be read")
            raise NoTokenError("the answer cannot be read")
        token, seconds = found
        self._kept[buyer] = _Kept(token, self._clock.now() + timedelta(seconds=seconds))
        return token


def _read(raw: bytes) -> tuple[Secret, int] | None:
    """The token and its life in seconds; None when the answer is no token of type Bearer."""
    try:
        document = parse_json(raw)
    except MalformedWebhookError:
        return None
    if not isinstance(document, dict):
        return None
    token, kind, seconds = document.get("access_token"), document.get("token_type"), document.get("expires_in")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token) or not isinstance(kind, str):
        return None
    if kind.lower() != "bearer":
        return None
    if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds <= 0:
        seconds = _DEFAULT_SECONDS
    return Secret(token), min(seconds, _LONGEST_SECONDS)
