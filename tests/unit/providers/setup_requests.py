"""The configuration snippets of docs/providers.md, loaded as a service loads them, and requests that fit them."""

from __future__ import annotations

import base64
import random
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from services.ingress.credentials import build_credentials
from tenrusl.docs.generic_example import generic_example
from tenrusl.docs.providers_page import render_providers
from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.keys import with_key
from tenrusl.providers.postback import Answer, with_answer
from tenrusl.providers.schemes.paypal_transmission import LIVE_NAME, SANDBOX_NAME
from tenrusl.providers.types import (
    Credentials,
    Headers,
    Provider,
    SecretVersion,
    SignatureError,
    SignatureScheme,
    Webhook,
)
from tenrusl.secret import Secret
from tenrusl.settings import load
from tenrusl.simulator import build, build_thin_event, sign_webhook, simulated_credentials
from tenrusl.simulator.fetched_keys import PAYPAL_PATH
from tenrusl.simulator.offers import OFFERS
from tenrusl.simulator.pki import authority, issue

NOW = 1_785_000_000.0
_TIME = datetime.fromtimestamp(NOW, UTC)
_APP_KEY = "base64:" + base64.b64encode(bytes(32)).decode()
_SANDBOX = "api.sandbox.paypal.com"
_made: dict[str, Credentials] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """A snippet of the page. credentials: what it yields. simulated: of the other side, signers' keys among them."""

    id: str
    provider: Provider
    credentials: Credentials
    simulated: Credentials

    @property
    def signer(self) -> Credentials:
        """What the other side signs with: what is configured here, what only it has, and what it publishes."""
        hidden = () if self.provider.key_needed else self.provider.credential_fields
        own = {field: versions for field, versions in self.simulated.fields.items() if field not in hidden}
        return Credentials({**own, **self.credentials.fields})

    def signing_schemes(self) -> list[SignatureScheme]:
        """The schemes whose credentials the snippet sets, whether they verify or not."""
        return [scheme for scheme in self.provider.schemes if self._is_used(scheme)]

    def for_verifying(self, webhook: Webhook) -> Credentials:
        """What ingress verifies with: what is configured, what it fetches, and what the provider's API answers.

        The simulated authority stands in for the real one, whose keys nobody else has.
        """
        credentials, provider = self.credentials, self.provider
        if provider.name == "paypal":
            credentials = Credentials({**credentials.fields, "root_pems": self.simulated.versions("root_pems")})
        wanted = provider.key_needed(webhook, credentials) if provider.key_needed else None
        if wanted is not None:
            document = self.simulated.versions(wanted.credential)[-1].secret.reveal()
            credentials = with_key(credentials, wanted, document)
        for question in provider.questions(webhook, credentials, NOW) if provider.questions else ():
            credentials = with_answer(credentials, question, Answer.AUTHENTIC)
        return credentials

    def _is_used(self, scheme: SignatureScheme) -> bool:
        switch = self.provider.switches.get(scheme.name)
        if switch is not None and switch not in self.credentials:
            return False
        try:
            webhook = request_of(self, scheme.name)
            scheme.verify(webhook, self.for_verifying(webhook), NOW)
        except SignatureError as exc:
            return exc.reason is not Reason.CREDENTIALS_MISSING
        return True


def snippets() -> Iterator[tuple[str, int, Mapping[str, str]]]:
    """Of each on the page its provider's title, its number there, and its variables."""
    for section in re.split(r"^## ", render_providers(), flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        for number, text in enumerate(re.findall(r"```sh\n(.*?)\n```", section, flags=re.DOTALL), 1):
            yield title, number, dict(line.split("=", 1) for line in text.splitlines())


@cache
def configurations() -> tuple[Configured, ...]:
    """All of them."""
    described = [*PROVIDERS.values(), generic_example()]
    providers = {provider.about.title: provider for provider in described if provider.about is not None}
    return tuple(
        _configured(f"{providers[title].name} {number}", providers[title], variables)
        for title, number, variables in snippets()
    )


def request_of(configured: Configured, scheme: str) -> Webhook:
    """A request that the simulator signs. Raises SignatureError where the snippet has no credential for the scheme."""
    provider = configured.provider
    proxied = "trusted_proxies" in configured.credentials
    headers = {"X-Forwarded-For": "54.151.191.85"} if proxied else {}
    signed = sign_webhook(provider, _body(provider, scheme), configured.signer, NOW, scheme=scheme, headers=headers)
    return Webhook(
        method="POST",
        path=f"/api/webhooks/{provider.name}",
        query=signed.query or "",
        headers=Headers(list(signed.headers.items())),
        body=signed.body,
        source_ip="10.0.0.1" if proxied else "54.151.191.85",
    )


def _configured(name: str, provider: Provider, variables: Mapping[str, str]) -> Configured:
    simulated = _simulated(provider, variables)
    with tempfile.TemporaryDirectory() as folder:
        environ = {"APP_KEY": _APP_KEY}
        for variable, text in variables.items():
            environ[variable] = _mounted(Path(folder), provider, simulated, text) if "_FILE" in variable else text
        settings = load(environ)
    book = build_credentials({**PROVIDERS, provider.name: provider}, settings.credentials)
    return Configured(id=name, provider=provider, credentials=book[provider.name], simulated=simulated)


def _mounted(folder: Path, provider: Provider, simulated: Credentials, path: str) -> str:
    """The file that a snippet names, in another folder, with what the simulator made for its field."""
    field = Path(path).name.removeprefix(f"{provider.name}_")
    file = folder / field
    file.write_text(simulated.versions(field)[-1].secret.reveal(), encoding="utf-8")
    return str(file)


def _simulated(provider: Provider, variables: Mapping[str, str]) -> Credentials:
    if provider.name == "paypal":
        return _paypal(is_sandbox=_SANDBOX in variables.values())
    if provider.name not in _made:  # RSA pairs cost
        _made[provider.name] = simulated_credentials(provider, random.Random(1))
    return _made[provider.name]


def _paypal(*, is_sandbox: bool) -> Credentials:
    root = authority()
    signer = issue(root, SANDBOX_NAME if is_sandbox else LIVE_NAME)
    host = _SANDBOX if is_sandbox else "api.paypal.com"
    made = {
        "root_pems": root.certificate_pem,
        "cert_pem": signer.certificate_pem,
        "cert_private_key_pem": signer.key_pem,
        "cert_url": f"https://{host}{PAYPAL_PATH}CERT-1a2b3c4d-5e6f7a8b-9c0d1e2f",
        "client_secret": "the client's secret",
    }
    return Credentials({field: (SecretVersion("current", Secret(text)),) for field, text in made.items()})


def _body(provider: Provider, scheme: str) -> bytes:
    if provider.name not in OFFERS:
        return b'{"id":"1","type":"payment","data":{"state":"paid","id":"p","amount":100,"currency":"EUR"}}'
    if not OFFERS[provider.name].statuses:
        return build_thin_event(order_ref="o", occurred_at=_TIME, rng=random.Random(1))
    return build(
        provider.name,
        status=PaymentStatus.SUCCEEDED,
        payment_ref="p1",
        merchant_ref="m1",
        amount_minor=10_000_00,
        currency=OFFERS[provider.name].currencies[0],
        occurred_at=_TIME,
        rng=random.Random(1),
        scheme=scheme,
    )
