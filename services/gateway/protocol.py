"""What uvicorn's HTTP protocol does not limit by itself: the size of a request's head and of what frames its body, the
time that the head may take, how many requests may wait behind one, how much of a refused body is swallowed, and how
long an answer waits for a client that does not read it.

A refused request is not cut off at once: a close with unread data resets the connection, and the client might
never see its answer. So a bounded rest is read and dropped first.
"""

import asyncio
from collections.abc import Callable, MutableMapping
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.gateway.answers import problem_answer
from services.gateway.exchange import EXCHANGE, PATH_PREFIXES, DrainableState, Exchange, WholeRequest
from services.gateway.headers import REQUEST_ID, request_id_of
from services.gateway.problems import HEADERS_TOO_LARGE, Problem
from tenrusl.clock import SystemClock

# Of request line and headers; headers.py refuses less than this in good form. Also of what comes in a row of chunk
# sizes, their extensions and trailers without a byte of the body.
MAX_HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 15.0
MAX_DROPPED_BYTES = 16 * 1024 * 1024
DROP_SECONDS = 5.0
# Hardly anybody sends a request before the answer to the last. One read could hold thousands, at some KiB each.
MAX_PIPELINED = 100
STALLED_SECONDS = 15.0  # an answer that the client does not read

TakesWhole = Callable[[WholeRequest, Exchange], None]
# The targets of requests that may be taken whole. With an escape or a fragment they are read by uvicorn's rules.
_WHOLE_PREFIXES = tuple(prefix.encode() for prefix in PATH_PREFIXES)
_BY_THE_RULES = (b"%", b"#")


class LimitedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with these limits. Nothing here costs more than a few comparisons per read.

    takes_whole: answers webhooks that have come in one read, instead of the application.
    """

    server_state: DrainableState

    def __init__(self, *args: Any, takes_whole: TakesWhole | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_is_open = True
        self._head_bytes = 0
        self._framing_bytes = 0
        self._dropped_bytes = 0
        self._is_refused = False
        self._is_lingering = False
        self._deadline: asyncio.TimerHandle | None = None
        self._stall_deadline: asyncio.TimerHandle | None = None
        self._takes_whole = takes_whole
        # Of a request that may turn out to come whole: its body so far. None when there is none such.
        self._unbegun: list[bytes] | None = None
        self._whole: WholeRequest | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._set_deadline(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_deadline()
        self._clear_stall_deadline()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.flow.pause_reading()  # else each further request would add its answer to those that nobody reads
        self._stall_deadline = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.flow.resume_reading()
        self._clear_stall_deadline()

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            self._drop(len(data))
            return
        if self._head_is_open:
            self._head_bytes += len(data)
        else:
            self._framing_bytes += len(data)
        self._feed(data)
        if self._whole is not None:
            self._take_whole()
        elif self._unbegun is not None:
            self._begin_cycle()
        if self._head_is_open:
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse_head()
            elif self._head_bytes and self._deadline is None:
                self._set_deadline(HEAD_SECONDS)
        elif self._body_is_unwanted:
            self._drop(len(data))
        elif self._framing_bytes > MAX_HEAD_BYTES and not self._is_refused:
            self.send_400_response("too much between the chunks")

    def on_message_begin(self) -> None:
        self._head_is_open = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # A trailer is no header (RFC 9110, section 6.5.1): it came past the limits, and behind what proxies wrote.
        if self._head_is_open:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # see _ignore_upgrade
        if len(self.pipeline) >= MAX_PIPELINED:
            raise httptools.HttpParserError("too many requests at once")
        self._head_is_open = False
        self._head_bytes = self._framing_bytes = self._dropped_bytes = 0
        self._clear_deadline()
        if self._may_be_whole():
            self._unbegun = []
        else:
            self._begin_cycle()

    def on_body(self, body: bytes) -> None:
        self._framing_bytes = 0
        if self._unbegun is None:
            super().on_body(body)
        else:
            self._unbegun.append(body)

    def on_message_complete(self) -> None:
        self._head_is_open = True
        self._clear_deadline()
        if self._unbegun is not None:
            self._whole = self._whole_request(self._unbegun)
            self._unbegun = None
            return
        super().on_message_complete()
        if self._is_lingering:
            self.transport.close()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._set_deadline(STALLED_SECONDS)  # it closes when the client has read the answer
        elif not self._head_is_open and self._body_is_unwanted:
            self._set_deadline(DROP_SECONDS)
        if self.flow.write_paused:
            self.flow.pause_reading()

    def timeout_keep_alive_handler(self) -> None:
        self.transport.abort()  # a close would wait for a client that does not read

    def send_400_response(self, msg: str) -> None:
        self._is_refused = True
        cycle = self.cycle
        is_answered_later = cycle is not None and not cycle.response_complete
        if is_answered_later and (self.pipeline or cycle.response_started or not cycle.more_body):
            cycle.keep_alive = False  # what came before it has its answers first; then the connection ends
            return
        if not self._body_is_unwanted:  # that request has its answer
            self.transport.write(_raw_answer(Problem(status=HTTPStatus.BAD_REQUEST, detail="this is no valid HTTP")))
        self.transport.close()
        self._set_deadline(STALLED_SECONDS)

    def close_after_answer(self) -> None:
        """Closes the connection, but swallows what still comes of an unwanted body first."""
        if self._body_is_unwanted:
            self._is_lingering = True
            self.transport.write_eof()
        else:
            self.transport.close()

    def _may_be_whole(self) -> bool:
        """Whether how this request is answered is only known at its end, or at the end of what was read."""
        url = self.url
        return (
            self._takes_whole is not None
            and url.startswith(_WHOLE_PREFIXES)
            and url.isascii()
            and not any(mark in url for mark in _BY_THE_RULES)
            and not self.expect_100_continue
            and (self.cycle is None or self.cycle.response_complete)
        )

    def _begin_cycle(self) -> None:
        """Has uvicorn answer the request by a task of its own. More of its body may come later."""
        begun, self._unbegun = self._unbegun, None
        super().on_headers_complete()
        if self.server_state.is_leaving:
            self.cycle.keep_alive = False
        scope: MutableMapping[str, Any] = self.scope  # type: ignore[assignment]  # with a key of our own
        scope[EXCHANGE] = Exchange(self.cycle, self.server_state, is_head=scope["method"] == "HEAD")
        if not self.cycle.keep_alive:
            self.cycle.transport = _LingeringTransport(self)  # type: ignore[assignment]  # all that a cycle uses
        for body in begun or ():
            super().on_body(body)

    def _whole_request(self, chunks: list[bytes]) -> WholeRequest:
        keeps_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        whole = WholeRequest(
            method=self.parser.get_method().decode("ascii"),
            target=self.url,
            headers=self.headers,
            body=chunks[0] if len(chunks) == 1 else b"".join(chunks),
            peer=self.client[0] if self.client else "",
            transport=self.transport,
            keep_alive=keeps_alive and not self.server_state.is_leaving,
            on_response=self.on_response_complete,
        )
        self.cycle = whole  # type: ignore[assignment]  # what follows in the same read has to wait for its answer
        return whole

    def _take_whole(self) -> None:
        whole, self._whole = self._whole, None
        assert whole is not None
        assert self._takes_whole is not None
        self._takes_whole(whole, Exchange(whole, self.server_state, is_head=whole.method == "HEAD"))

    def _should_upgrade(self) -> bool:
        return True  # so that uvicorn starts nothing for such a request; _ignore_upgrade does

    def _feed(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self.send_400_response("")

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Reads a request again without its wish for another protocol (RFC 9110, section 7.8: it may be ignored).

        The parser takes what follows such a head for the other protocol's, so the body would be lost, or taken for
        the next request. Java's HttpClient asks for h2c by default.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response("")
            return
        head = [b"%s %s HTTP/%s" % (method, self.url, self.parser.get_http_version().encode())]
        head += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self._feed(b"\r\n".join((*head, b"\r\n")) + rest)

    @property
    def _body_is_unwanted(self) -> bool:
        return self.cycle is not None and self.cycle.response_complete and self.cycle.more_body

    def _refuse_head(self) -> None:
        self._is_refused = True
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_raw_answer(HEADERS_TOO_LARGE))
            self.transport.write_eof()
        self._clear_deadline()
        self._set_deadline(DROP_SECONDS)

    def _drop(self, size: int) -> None:
        self._dropped_bytes += size
        if self._dropped_bytes > MAX_DROPPED_BYTES:
            self.transport.close()

    def _set_deadline(self, seconds: float) -> None:
        self._clear_deadline()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _clear_stall_deadline(self) -> None:
        if self._stall_deadline is not None:
            self._stall_deadline.cancel()
            self._stall_deadline = None


class _LingeringTransport:
    """What a cycle writes to when the connection ends with its answer."""

    def __init__(self, protocol: LimitedHttpProtocol) -> None:
        self._protocol = protocol
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing

    def close(self) -> None:
        self._protocol.close_after_answer()


def _raw_answer(problem: Problem) -> bytes:
    """An answer for a request that no application sees."""
    request_id = request_id_of((), SystemClock())
    answer = problem_answer(problem, request_id)
    own = b"%s: %s\r\nconnection: close\r\n\r\n" % (REQUEST_ID, request_id.encode())
    return b"".join((answer.status_line, answer.head, own, answer.body))
