"""What webhooks are answered, as bytes that are ready to be sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from services.gateway.batching import Outcome
from services.gateway.headers import SECURITY_HEADERS
from services.gateway.problems import CLOSE, CONTENT_TYPE, Problem, unavailable
from tenrusl.api.common.v1.common_pb2 import ErrorReason
from tenrusl.api.ingress.v1.ingress_pb2 import WebhookDisposition as Disposition
from tenrusl.errors import Reason
from tenrusl.providers.types import Outcome as ReplyTo
from tenrusl.providers.types import Reply

_REPLIED = {
    Disposition.WEBHOOK_DISPOSITION_ACCEPTED: ReplyTo.ACCEPTED,
    Disposition.WEBHOOK_DISPOSITION_DUPLICATE: ReplyTo.DUPLICATE,
    # The same bytes whatever the cause: a forger learns nothing from it. So no reason, and no request id either.
    Disposition.WEBHOOK_DISPOSITION_REJECTED: ReplyTo.REJECTED,
}

# How a signature is checked is nobody's business, also where it could not be checked yet.
_UNTOLD = frozenset({Reason.KEY_UNAVAILABLE, Reason.VERIFICATION_UNAVAILABLE})
NOT_FOUND = Problem(status=HTTPStatus.NOT_FOUND, detail="no such provider", reason=Reason.PROVIDER_UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAnswers:
    """What the gateway knows about a provider: the answers that it expects, and its methods for `Allow`.

    takes_path_tail: its address may go on after its name. What stands there may be a secret: it is passed on to
    ingress and goes into no log and no metric.
    """

    replies: Mapping[ReplyTo, Reply]
    methods: frozenset[str]
    takes_path_tail: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """Ready to be sent, but for date, request id and connection. Lines end in CRLF."""

    status: int
    status_line: bytes
    head: bytes
    body: bytes
    closes: bool


class WebhookAnswers:
    """The answers that each provider expects."""

    def __init__(self, providers: Mapping[str, ProviderAnswers]) -> None:
        self._allow = {name: ", ".join(sorted(answers.methods)) for name, answers in providers.items()}
        self._replies = {
            (name, disposition): _prepared(answers.replies[to])
            for name, answers in providers.items()
            for disposition, to in _REPLIED.items()
        }

    def to_outcome(self, outcome: Outcome | None, provider: str, request_id: str) -> Answer:
        """What became of a webhook; None: it was not stored."""
        if outcome is None:
            return problem_answer(
                unavailable("the webhook could not be stored", Reason.SERVICE_UNAVAILABLE), request_id
            )
        if outcome.HasField("reply"):
            given = outcome.reply
            return _prepared(Reply(given.status, given.body, given.content_type or None))
        if reply := self._replies.get((provider, outcome.disposition)):
            return reply
        match outcome.disposition:
            case Disposition.WEBHOOK_DISPOSITION_UNKNOWN_PROVIDER:
                return problem_answer(NOT_FOUND, request_id)
            case Disposition.WEBHOOK_DISPOSITION_METHOD_NOT_ALLOWED:
                return self.method_not_allowed(provider, request_id)
            case Disposition.WEBHOOK_DISPOSITION_UNSUPPORTED_MEDIA_TYPE:
                status, detail = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the content type is not the provider's"
            case Disposition.WEBHOOK_DISPOSITION_MALFORMED:
                status, detail = HTTPStatus.BAD_REQUEST, "the webhook cannot be read"
            case _:  # not stored; or a disposition newer than this gateway: the provider sends it again
                reason = _reason(outcome)
                shown = Reason.SERVICE_UNAVAILABLE if reason in _UNTOLD else reason
                return problem_answer(unavailable("the webhook could not be stored", shown), request_id)
        return problem_answer(Problem(status=status, detail=detail, reason=_reason(outcome)), request_id)

    def method_not_allowed(self, provider: str, request_id: str) -> Answer:
        """405, with the methods of the provider."""
        return problem_answer(
            Problem(
                status=HTTPStatus.METHOD_NOT_ALLOWED,
                detail="the provider does not use this method",
                reason=Reason.METHOD_NOT_ALLOWED,
                headers=((b"allow", self._allow.get(provider, "POST").encode()),),
            ),
            request_id,
        )


def _reason(outcome: Outcome) -> Reason | None:
    name = ErrorReason.Name(outcome.reason).removeprefix("ERROR_REASON_")
    return Reason(name) if name in Reason.__members__ else None


def _prepared(reply: Reply) -> Answer:
    content_type = ((b"content-type", reply.content_type.encode()),) if reply.content_type else ()
    return _finished(reply.status, reply.body, content_type)


def problem_answer(problem: Problem, request_id: str) -> Answer:
    """The answer that says what is wrong."""
    return _finished(problem.status, problem.body(request_id), ((b"content-type", CONTENT_TYPE), *problem.headers))


def _finished(status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> Answer:
    # 204 has no body and says nothing about its length (RFC 9110, section 8.6).
    length = () if status == HTTPStatus.NO_CONTENT else ((b"content-length", str(len(body)).encode()),)
    phrase = HTTPStatus(status).phrase.encode()
    lines = [header for header in (*headers, *length, *SECURITY_HEADERS) if header != CLOSE]
    return Answer(
        status=int(status),
        status_line=b"HTTP/1.1 %d %s\r\n" % (status, phrase),
        head=b"".join(b"%s: %s\r\n" % header for header in lines),
        body=body,
        closes=CLOSE in headers,
    )
