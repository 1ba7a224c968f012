"""Signing a body as a provider would."""

from collections.abc import Mapping

from tenrusl.providers.types import Credentials, Headers, Provider, SignedWebhook, Webhook

CONTENT_TYPE = "application/json"
FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"


def sign_webhook(
    provider: Provider,
    body: bytes,
    credentials: Credentials,
    now: float,
    *,
    scheme: str | None = None,
    method: str = "POST",
    path: str | None = None,
    query: str = "",
    headers: Mapping[str, str] | None = None,
) -> SignedWebhook:
    """All headers to send, the body and the query (changed where the signature stands inside them).

    now: Unix time in seconds, for schemes that sign the time. scheme: its name, by default the one that decides
    a request without any signature header (the last). path: where it will be sent, signed by some schemes; by
    default /api/webhooks/<provider>. query: without the question mark. headers: sent besides, and Content-Type for
    a body. Signs with the newest version of the credential.
    Raises SignatureError(CREDENTIALS_MISSING), MalformedWebhookError when the body lacks what is signed, and
    ValueError for a scheme that the provider does not have.
    """
    sent = {**_content_type(provider, body), **(headers or {})}
    webhook = Webhook(
        method=method,
        path=f"/api/webhooks/{provider.name}" if path is None else path,
        query=query,
        headers=Headers(list(sent.items())),
        body=body,
    )
    chosen = provider.schemes[-1] if scheme is None else next((s for s in provider.schemes if s.name == scheme), None)
    if chosen is None:
        raise ValueError(f"{provider.name} has no scheme {scheme!r}")
    signed = chosen.sign(webhook, credentials, now)
    return SignedWebhook(
        headers={**sent, **signed.headers}, body=signed.body, query=query if signed.query is None else signed.query
    )


def _content_type(provider: Provider, body: bytes) -> Mapping[str, str]:
    if not body:
        return {}
    is_form = FORM_CONTENT_TYPE in provider.content_types and not body.lstrip().startswith((b"{", b"["))
    return {"Content-Type": FORM_CONTENT_TYPE if is_form else CONTENT_TYPE}
