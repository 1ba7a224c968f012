"""Documents with public keys, in memory: fetched at most once a minute for each host, whoever asks how often."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

import structlog

from tenrusl.clock import Clock
from tenrusl.keysources.https import FetchError
from tenrusl.providers.keys import KeyKind, KeyRequest, with_key
from tenrusl.providers.schemes.certificates import parse_certificates
from tenrusl.providers.schemes.jwks import p384_keys
from tenrusl.providers.types import Credentials, Provider, Webhook

FRESH_FOR: Final = timedelta(hours=24)
USABLE_FOR: Final = timedelta(hours=48)  # when it cannot be fetched anew; then a withdrawn key is withdrawn here, too
PAUSE: Final = timedelta(seconds=60)  # between two fetches from one host
REFUSED_FOR: Final = timedelta(minutes=10)  # an address that gave no document
MAX_KEPT: Final = 64
MAX_REFUSED: Final = 1024

Fetch = Callable[[KeyRequest], Awaitable[bytes]]
_T = TypeVar("_T")
_log = structlog.get_logger("keysources")


class KeyUnavailableError(Exception):
    """There is no document for a request now; a later one may find it."""


@dataclass(frozen=True, slots=True)
class _Kept:
    text: str
    fetched_at: datetime


class KeySource:
    """The documents that were fetched. For one event loop.

    fetch: gets a document; raises FetchError. Addresses that gave a document before are fetched anew on an account of
    their own, so that forged requests for others cannot keep them from being renewed.
    """

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._refused: dict[str, datetime] = {}
        # By host, and whether the address was known: the two accounts. Hosts are few, they come from settings.
        self._last_start: dict[tuple[str, bool], datetime] = {}
        self._under_way: dict[str, asyncio.Task[str]] = {}

    def credentials_at_hand(self, provider: Provider, webhook: Webhook, credentials: Credentials) -> Credentials | None:
        """What `provider.verify` needs for this webhook, without waiting; None when something must be fetched."""
        request = None if provider.key_needed is None else provider.key_needed(webhook, credentials)
        if request is None:
            return credentials
        text = self.at_hand(request)
        return None if text is None else with_key(credentials, request, text)

    async def credentials_for(self, provider: Provider, webhook: Webhook, credentials: Credentials) -> Credentials:
        """The same, fetching what is missing. Raises KeyUnavailableError."""
        request = None if provider.key_needed is None else provider.key_needed(webhook, credentials)
        return credentials if request is None else with_key(credentials, request, await self.get(request))

    def at_hand(self, request: KeyRequest) -> str | None:
        """The document if it is in memory, fresh, and has the key that is wanted."""
        kept = self._kept.get(request.url)
        if kept is None or self._clock.now() - kept.fetched_at > FRESH_FOR or not _has_key(request, kept.text):
            return None
        return kept.text

    async def get(self, request: KeyRequest) -> str:
        """The document, fetched if it must be and may be. Raises KeyUnavailableError.

        However many ask for one address at once, it is fetched once. A JWKS may still lack the key that is wanted.
        """
        text = self.at_hand(request)
        if text is not None:
            return text
        fetching = self._under_way.get(request.url)
        if fetching is None and self._may_fetch(request):
            fetching = self._start(request)
        if fetching is not None:
            try:
                # Whoever waits may give up; the fetch goes on for the others.
                return await asyncio.shield(fetching)
            except FetchError as exc:
                return self._usable(request, str(exc))
        return self._usable(request, "fetched or refused a short time ago")

    async def close(self) -> None:
        """Ends the fetches that are under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _usable(self, request: KeyRequest, why: str) -> str:
        kept = self._kept.get(request.url)
        if kept is None or self._clock.now() - kept.fetched_at > USABLE_FOR:
            raise KeyUnavailableError(why)
        return kept.text

    def _may_fetch(self, request: KeyRequest) -> bool:
        now = self._clock.now()
        refused_at = self._refused.get(request.url)
        if refused_at is not None and now - refused_at < REFUSED_FOR and request.url not in self._kept:
            return False
        last = self._last_start.get((request.authority, request.url in self._kept))
        return last is None or now - last >= PAUSE

    def _start(self, request: KeyRequest) -> asyncio.Task[str]:
        self._last_start[request.authority, request.url in self._kept] = self._clock.now()
        task = asyncio.create_task(self._renew(request))
        self._under_way[request.url] = task
        task.add_done_callback(lambda done: self._forget(request.url, done))
        return task

    def _forget(self, url: str, done: asyncio.Task[str]) -> None:
        del self._under_way[url]
        if not done.cancelled():
            done.exception()  # is known, also when nobody waits any more

    async def _renew(self, request: KeyRequest) -> str:
        try:
            text = _checked(request, await self._fetch(request))
        except FetchError as exc:
            _log.warning("key not fetched", url=request.url, error=str(exc))
            _put(self._refused, request.url, self._clock.now(), MAX_REFUSED)
            raise
        _log.info("key fetched", url=request.url)
        self._refused.pop(request.url, None)
        self._last_start[request.authority, True] = self._clock.now()
        _put(self._kept, request.url, _Kept(text, self._clock.now()), MAX_KEPT)
        return text


def _put(kept: dict[str, _T], url: str, value: _T, most: int) -> None:
    """Newest last; the oldest goes when there are too many."""
    kept.pop(url, None)
    kept[url] = value
    if len(kept) > most:
        del kept[next(iter(kept))]


def _checked(request: KeyRequest, raw: bytes) -> str:
    """The document as text. Raises FetchError when it is not what was asked for."""
    try:
        text = raw.decode("utf-8")
        usable = p384_keys(text) if request.kind is KeyKind.JWKS else parse_certificates(text)
    except ValueError:
        usable = None
    if not usable:
        raise FetchError(f"no usable {request.kind.value}")
    return text


def _has_key(request: KeyRequest, text: str) -> bool:
    return request.kind is not KeyKind.JWKS or not request.key_id or request.key_id in p384_keys(text)
