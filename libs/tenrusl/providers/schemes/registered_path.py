"""Signatures over the path that the provider was told to call, where a proxy in front of us has changed it."""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from tenrusl.errors import Reason
from tenrusl.providers.about import Proof
from tenrusl.providers.types import Credentials, SignatureError, SignatureScheme, SignedWebhook, Webhook

NOTIFICATION_PATH: Final = "notification_path"
_PATH = re.compile(r"/[!-\"$->@-~]{0,1023}", re.ASCII)  # as it stands in a request line: no space, query or fragment
_MAX_PATHS = 8  # each costs a signature check


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredPathScheme:
    """Another scheme, which signs the path of the request.

    credential: the field with the path of the registered address, or several, separated by white space (a provider
    may have one for each product). Where it is configured only those count, else the path that was received.
    """

    scheme: SignatureScheme
    credential: str = NOTIFICATION_PATH

    @property
    def name(self) -> str:
        return self.scheme.name

    def describe(self) -> Proof:
        return self.scheme.describe()

    def applies(self, webhook: Webhook) -> bool:
        return self.scheme.applies(webhook)

    def verify(self, webhook: Webhook, credentials: Credentials, now: float) -> str:
        paths = self._paths(credentials)
        if not paths:
            return self.scheme.verify(webhook, credentials, now)
        *others, last = paths
        for path in others:
            try:
                return self.scheme.verify(replace(webhook, path=path), credentials, now)
            except SignatureError as exc:
                if exc.reason is not Reason.SIGNATURE_MISMATCH:
                    raise
        return self.scheme.verify(replace(webhook, path=last), credentials, now)

    def sign(self, webhook: Webhook, credentials: Credentials, now: float) -> SignedWebhook:
        """As the provider would: over the first path that is registered."""
        paths = self._paths(credentials)
        return self.scheme.sign(replace(webhook, path=paths[0]) if paths else webhook, credentials, now)

    def _paths(self, credentials: Credentials) -> tuple[str, ...]:
        found = (version.secret.reveal() for version in credentials.fields.get(self.credential, ()))
        return tuple(path for text in found for path in paths_of(text))


@lru_cache(maxsize=64)
def paths_of(text: str) -> tuple[str, ...]:
    """Those between white space. Raises SignatureError(CREDENTIALS_MISSING) for what is no path, or more than eight."""
    paths = tuple(text.split())
    if len(paths) > _MAX_PATHS or not all(_PATH.fullmatch(path) for path in paths):
        raise SignatureError(Reason.CREDENTIALS_MISSING)
    return paths
