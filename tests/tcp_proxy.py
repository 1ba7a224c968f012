"""A TCP proxy on loopback: balances connections over what is ready, and can slow them down or cut them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, TypeVar

_POLL_SECONDS = 0.05
_CHUNK_BYTES = 64 * 1024
_Value = TypeVar("_Value")


class TcpProxy:
    """Listens on 127.0.0.1:`port` and gives each connection to the next of `backends` ("HOST:PORT") that is ready.

    is_ready: asked every 50 ms of each, as a balancer asks; without it all are always ready. With none ready a
    connection is closed at once. delay_seconds: how long each piece of data is held back, may be set at any time.
    """

    def __init__(self, port: int, backends: Sequence[str], is_ready: Callable[[str], bool] | None = None) -> None:
        self.address = f"127.0.0.1:{port}"
        self.delay_seconds = 0.0
        self._port = port
        self._backends = list(backends)
        self._is_ready = is_ready
        self._ready = [] if is_ready else list(backends)
        self._turn = 0
        self._refuses = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None

    def __enter__(self) -> TcpProxy:
        self._thread.start()
        self._run(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Resets every connection that is open. New ones are taken."""
        self._run(self._cut())

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Meanwhile every connection is cut, and no new one is taken."""
        self._refuses = True
        try:
            self.cut()
            yield
        finally:
            self._refuses = False

    def ready(self) -> list[str]:
        """The backends that get connections now."""
        return list(self._ready)

    def _run(self, work: Coroutine[Any, Any, _Value]) -> _Value:
        done: Future[_Value] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return done.result(timeout=30)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        if self._is_ready is not None:
            await self._look()
            self._keep(asyncio.create_task(self._watch()))

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._cut()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            await self._look()

    async def _look(self) -> None:
        assert self._is_ready is not None
        answers = await asyncio.gather(*(asyncio.to_thread(self._is_ready, backend) for backend in self._backends))
        self._ready = [backend for backend, ready in zip(self._backends, answers, strict=True) if ready]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._keep(task)
        ready = self.ready()
        if self._refuses or not ready:
            writer.transport.abort()
            return
        self._turn += 1
        host, _, port = ready[self._turn % len(ready)].rpartition(":")
        try:
            back_reader, back_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, back_writer}
        self._writers |= pair
        try:
            await asyncio.gather(self._pump(reader, back_writer), self._pump(back_reader, writer))
        finally:
            self._writers -= pair
            for one in pair:
                one.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_CHUNK_BYTES):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except OSError:  # the other side is gone: so is this one
            writer.transport.abort()
