"""A channel with TLS whose certificate may change while it is in use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
from grpc import aio

from tenrusl.rpc.tls import WatchedIdentity, channel_credentials
from tenrusl.tls_files import TlsFiles


class TlsChannel(aio.Channel):
    """Calls through the channel that `open_channel` makes, and through a new one once the files have changed.

    Each call begins with the files as they are then, and ends on the channel that it began on: that is closed when its
    last call has ended. So no call is lost, and an old certificate is shown to nobody new.
    Raises SettingsError when the files are wrong at first.
    """

    def __init__(self, files: TlsFiles, open_channel: Callable[[grpc.ChannelCredentials], aio.Channel]) -> None:
        self._watched = WatchedIdentity(files)
        self._open_channel = open_channel
        self._newest = self._open()
        self._retired: set[_Opened] = set()
        self._closing: set[asyncio.Future[None]] = set()
        self._closed = False

    def opened(self) -> _Opened:
        """The channel for a new call."""
        if not self._closed and self._watched.refresh():
            old, self._newest = self._newest, self._open()
            self._retired.add(old)
            self._close_if_idle(old)
        return self._newest

    def ended(self, opened: _Opened) -> None:
        """Tells that a call has ended."""
        opened.calls -= 1
        self._close_if_idle(opened)

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        return _Method(self, lambda channel: channel.unary_unary(*args, **kwargs))

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        return _Method(self, lambda channel: channel.unary_stream(*args, **kwargs))

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        return _Method(self, lambda channel: channel.stream_unary(*args, **kwargs))

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        return _Method(self, lambda channel: channel.stream_stream(*args, **kwargs))

    async def close(self, grace: float | None = None) -> None:
        self._closed = True
        closing = [opened.channel.close(grace) for opened in (self._newest, *self._retired)]
        await asyncio.gather(*closing, *self._closing)

    async def __aenter__(self) -> TlsChannel:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self.opened().channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self.opened().channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self.opened().channel.channel_ready()

    def _open(self) -> _Opened:
        return _Opened(self._open_channel(channel_credentials(self._watched.identity)))

    def _close_if_idle(self, opened: _Opened) -> None:
        if opened in self._retired and not opened.calls:
            self._retired.discard(opened)
            closing = asyncio.ensure_future(opened.channel.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)


class _Opened:
    """A channel and how many calls are under way on it. The calls themselves are not kept: one that nobody holds any
    more is cancelled by gRPC.
    """

    def __init__(self, channel: aio.Channel) -> None:
        self.channel = channel
        self.calls = 0


class _Method:
    """What a stub calls: a method on the newest channel."""

    def __init__(self, owner: TlsChannel, on: Callable[[aio.Channel], Any]) -> None:
        self._owner = owner
        self._on = on
        self._opened: _Opened | None = None
        self._call: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        opened = self._owner.opened()
        if opened is not self._opened:
            self._opened, self._call = opened, self._on(opened.channel)
        call = self._call(*args, **kwargs)
        opened.calls += 1
        call.add_done_callback(lambda _: self._owner.ended(opened))
        return call
