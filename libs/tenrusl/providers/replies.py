"""HTTP answers that several providers share."""

from collections.abc import Mapping

from tenrusl.providers.types import Outcome, Reply

_JSON = "application/json"
# 401 without WWW-Authenticate: no provider would answer a challenge, and it would name the scheme.
REJECTED = Reply(
    401,
    b'{"type":"about:blank","title":"Unauthorized","status":401,"detail":"the webhook is not authentic"}',
    "application/problem+json",  # RFC 9457, as all refusals of the gateway
)
RECEIVED = Reply(200, b'{"received":true}', _JSON)


def replies(
    *, accepted: Reply = RECEIVED, duplicate: Reply | None = None, rejected: Reply = REJECTED
) -> Mapping[Outcome, Reply]:
    """The answers of a provider. duplicate: to a repeated delivery, by default that to a first one."""
    return {
        Outcome.ACCEPTED: accepted,
        Outcome.DUPLICATE: accepted if duplicate is None else duplicate,
        Outcome.REJECTED: rejected,
    }
