"""A clock that is moved by hand and a network of documents."""

import asyncio
from datetime import UTC, datetime, timedelta

from tenrusl.keysources import FetchError
from tenrusl.providers.keys import KeyRequest


class FakeClock:
    def __init__(self) -> None:
        self.time = datetime(2026, 7, 25, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def pass_seconds(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class FakeNetwork:
    """Documents by address. Counts what is fetched; while `open` is clear, nothing arrives."""

    def __init__(self, documents: dict[str, bytes] | None = None) -> None:
        self.documents = documents or {}
        self.fetched: list[str] = []
        self.open = asyncio.Event()
        self.open.set()

    async def fetch(self, request: KeyRequest) -> bytes:
        self.fetched.append(request.url)
        await self.open.wait()
        if request.url not in self.documents:
            raise FetchError("status 404")
        return self.documents[request.url]
