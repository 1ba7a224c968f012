"""Where a signature stands in a request: read by the verifier, written by the signer."""

import json
from dataclasses import dataclass
from typing import Protocol

from tenrusl.errors import Reason
from tenrusl.providers.types import SignatureError, SignedWebhook, Webhook


class Place(Protocol):
    """A place for one signature."""

    def describe(self) -> tuple[str, tuple[str, ...]]:
        """The place as docs/providers.md names it, and the headers that it reads."""
        ...

    def is_used(self, webhook: Webhook) -> bool:
        """Whether something stands there. Never raises."""
        ...

    def read(self, webhook: Webhook) -> str:
        """The signature as text.

        Raises SignatureError (SIGNATURE_MISSING, SIGNATURE_MALFORMED, HEADER_DUPLICATED), MalformedWebhookError.
        """
        ...

    def write(self, signature: str, webhook: Webhook) -> SignedWebhook:
        """The signature, put there."""
        ...


@dataclass(frozen=True, slots=True)
class HeaderPlace:
    """A header, whose value starts with `prefix`."""

    header: str
    prefix: str = ""

    def describe(self) -> tuple[str, tuple[str, ...]]:
        return f"`{self.header}: {self.prefix}<signature>`", (self.header,)

    def is_used(self, webhook: Webhook) -> bool:
        return self.header in webhook.headers

    def read(self, webhook: Webhook) -> str:
        value = webhook.headers.require(self.header)
        if not value.startswith(self.prefix):
            raise SignatureError(Reason.SIGNATURE_MALFORMED)
        return value[len(self.prefix) :]

    def write(self, signature: str, webhook: Webhook) -> SignedWebhook:
        return SignedWebhook(headers={self.header: self.prefix + signature}, body=webhook.body)


@dataclass(frozen=True, slots=True)
class JsonFieldPlace:
    """A text field of the JSON object that is the body."""

    field: str

    def describe(self) -> tuple[str, tuple[str, ...]]:
        return f"JSON field `{self.field}`", ()

    def is_used(self, webhook: Webhook) -> bool:
        return True  # only reading the body would tell; a scheme with this place comes last

    def read(self, webhook: Webhook) -> str:
        document = webhook.document
        value = document.get(self.field) if isinstance(document, dict) else None
        if value is None or value == "":
            raise SignatureError(Reason.SIGNATURE_MISSING)
        if not isinstance(value, str):
            raise SignatureError(Reason.SIGNATURE_MALFORMED)
        return value

    def write(self, signature: str, webhook: Webhook) -> SignedWebhook:
        body = webhook.body.rstrip()
        document = webhook.document
        if not isinstance(document, dict) or self.field in document:
            raise ValueError(f"the body must be a JSON object without {self.field}")
        # Put in as text: what was signed stays as it is, numbers included.
        separator = b"," if document else b""
        addition = f"{json.dumps(self.field)}:{json.dumps(signature)}}}".encode()
        return SignedWebhook(headers={}, body=body[:-1] + separator + addition)
