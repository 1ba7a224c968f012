"""Answers of providers' APIs about webhooks: asked once for each, remembered, and never more often than allowed."""

import asyncio
import hashlib
from collections import OrderedDict
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

import structlog

from tenrusl.clock import Clock
from tenrusl.keysources.https import FetchError
from tenrusl.postback.tokens import NoTokenError, Post, TokenSource
from tenrusl.providers.postback import Answer, Question, with_answer
from tenrusl.providers.types import Credentials, Provider, Webhook
from tenrusl.secret import Secret

# What strangers can cause (nothing is proven before the question), and what only the provider can.
MAX_UNPROVEN_UNDER_WAY: Final = 8
MAX_PROVEN_UNDER_WAY: Final = 32
UNPROVEN_PER_SECOND: Final = 5.0
PROVEN_PER_SECOND: Final = 50.0
BURST_SECONDS: Final = 4.0  # of the rate, saved up while nobody asks
REMEMBERED_FOR: Final = timedelta(hours=1)  # so that a repeated webhook, genuine or replayed, costs no call
MAX_REMEMBERED: Final = 4096
_JSON = "application/json"
_log = structlog.get_logger("postback")


class PostbackUnavailableError(Exception):
    """The provider gave no answer that says yes or no; asking again later may. The text says why, for a log."""


class Postback:
    """Asks, and remembers what was answered with yes or no. For one event loop.

    post: sends one POST; raises FetchError.
    """

    def __init__(self, post: Post, clock: Clock) -> None:
        self._post = post
        self._clock = clock
        self._tokens = TokenSource(post, clock)
        self._remembered: OrderedDict[bytes, tuple[Answer, datetime]] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Task[Answer]] = {}
        self._lanes = {
            False: _Lane(MAX_UNPROVEN_UNDER_WAY, UNPROVEN_PER_SECOND, clock),
            True: _Lane(MAX_PROVEN_UNDER_WAY, PROVEN_PER_SECOND, clock),
        }

    async def credentials_for(
        self, provider: Provider, webhook: Webhook, credentials: Credentials, now: float
    ) -> Credentials:
        """What `provider.verify` needs at Unix time `now`: the credentials, with the answer where one is needed.

        Asks one question after the other until one is answered with yes. Raises PostbackUnavailableError when none
        is, and not each with no.
        """
        questions = () if provider.questions is None else provider.questions(webhook, credentials, now)
        unclear = False
        for question in questions:
            match await self.ask(question):
                case Answer.AUTHENTIC:
                    return with_answer(credentials, question, Answer.AUTHENTIC)
                case Answer.UNCLEAR:
                    unclear = True
        if unclear:
            raise PostbackUnavailableError("no clear answer")
        return with_answer(credentials, questions[-1], Answer.FORGED) if questions else credentials

    async def ask(self, question: Question) -> Answer:
        """The answer; UNCLEAR also when no more may be asked now. The same question is asked once at a time."""
        key = hashlib.sha256(f"{question.host}{question.path}\n".encode() + question.body).digest()
        known = self._remembered.get(key)
        if known is not None and self._clock.now() - known[1] < REMEMBERED_FOR:
            return known[0]
        asking = self._under_way.get(key)
        if asking is None:
            lane = self._lanes[question.is_proven]
            if not lane.enter():
                _log.warning("too many questions", host=question.host, proven=question.is_proven)
                return Answer.UNCLEAR
            asking = self._start(key, question, lane)
        # Whoever waits may give up; the answer is kept for the provider's next delivery.
        return await asyncio.shield(asking)

    async def close(self) -> None:
        """Ends what is under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._tokens.close()

    def _start(self, key: bytes, question: Question, lane: "_Lane") -> asyncio.Task[Answer]:
        task = asyncio.create_task(self._answer_to(question))
        self._under_way[key] = task
        task.add_done_callback(lambda done: self._finished(key, done, lane))
        return task

    def _finished(self, key: bytes, done: asyncio.Task[Answer], lane: "_Lane") -> None:
        lane.leave()
        del self._under_way[key]
        if done.cancelled() or done.exception() is not None or done.result() is Answer.UNCLEAR:
            return
        self._remembered[key] = (done.result(), self._clock.now())
        self._remembered.move_to_end(key)
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)

    async def _answer_to(self, question: Question) -> Answer:
        try:
            token = await self._token_for(question)
            try:
                raw = await self._send(question, token)
            except FetchError as exc:
                if exc.status != HTTPStatus.UNAUTHORIZED:
                    raise
                self._tokens.forget(token)  # withdrawn before its time: once more, with a new one
                raw = await self._send(question, await self._token_for(question))
        except (FetchError, NoTokenError) as exc:
            _log.warning("not answered", host=question.host, error=str(exc))
            return Answer.UNCLEAR
        answer = question.read(raw)
        if answer is Answer.UNCLEAR:
            _log.warning("not answered", host=question.host, error="neither yes nor no")
        return answer

    async def _token_for(self, question: Question) -> Secret:
        return await self._tokens.get(question.host, question.token_path, question.clients)

    async def _send(self, question: Question, token: Secret) -> bytes:
        authorization = Secret(f"Bearer {token.reveal()}")
        return await self._post(
            question.host, question.path, authorization=authorization, content_type=_JSON, body=question.body
        )


class _Lane:
    """So many at once, and so many a second in the long run (a token bucket)."""

    def __init__(self, most_at_once: int, per_second: float, clock: Clock) -> None:
        self._most_at_once = most_at_once
        self._per_second = per_second
        self._clock = clock
        self._inside = 0
        self._saved = per_second * BURST_SECONDS
        self._since = clock.now()

    def enter(self) -> bool:
        """Whether one more may; then `leave` must follow."""
        now = self._clock.now()
        passed = max((now - self._since).total_seconds(), 0.0)  # a clock may be set back
        self._since = now
        self._saved = min(self._saved + passed * self._per_second, self._per_second * BURST_SECONDS)
        if self._inside >= self._most_at_once or self._saved < 1:
            return False
        self._saved -= 1
        self._inside += 1
        return True

    def leave(self) -> None:
        self._inside -= 1
