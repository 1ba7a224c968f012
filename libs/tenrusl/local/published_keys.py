"""Public keys of simulated providers, served on this machine, so that ingress fetches them as it does elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tenrusl.local.keyring import replace_secrets
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials
from tenrusl.simulator.fetched_keys import PUBLISHED, publish
from tenrusl.simulator.key_server import HOST, KeyServer
from tenrusl.simulator.pki import authority
from tenrusl.simulator.variables import SIGNER_PREFIX, provider_of, to_variables

CA_FILE_NAME = "key-authority.pem"
_CA_SETTING = "TENRUSL_KEY_CA_FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedKeys:
    """servers: serve until `stop`, one for each provider, since a key source asks one host and port once a minute at
    the most. signers: credentials that name the servers, by provider.

    environ: what an ingress gets that fetches the keys.
    """

    servers: Sequence[KeyServer]
    signers: Mapping[str, Credentials]
    environ: Mapping[str, str]

    def stop(self) -> None:
        """Ends the servers."""
        for server in self.servers:
            server.stop()


def may_publish(environ: Mapping[str, str]) -> bool:
    """Whether keys can be served here: an ingress believes either the authority of these servers or the usual ones.

    So not where `environ` says what authorities there are, or sets anything of a provider whose keys are fetched.
    """
    own = {provider_of(variable) for variable, value in environ.items() if value}
    return not environ.get(_CA_SETTING) and own.isdisjoint(PUBLISHED)


def publish_keys(folder: Path, signers: Mapping[str, Credentials], environ: Mapping[str, str]) -> PublishedKeys:
    """Serves the keys of all providers whose keys are fetched, with an authority that is made for it.

    folder: gets the authority's certificate; its secrets file gets the addresses, for whoever signs with it.
    environ: of the services so far. The port is another one each time. Raises OSError, ValueError.
    """
    ca = authority("TenRusl local keys")
    found = {name: value for name, value in environ.items() if provider_of(name) not in PUBLISHED}
    published: dict[str, Credentials] = {}
    kept: dict[str, str] = {}
    servers: list[KeyServer] = []
    try:
        for name in PUBLISHED:
            documents: dict[str, bytes] = {}
            servers.append(KeyServer(documents, ca))
            published[name], public = publish(name, signers[name], f"{HOST}:{servers[-1].port}")
            documents.update(public.documents)
            found |= to_variables(PROVIDERS[name], public.verifier)
            kept |= to_variables(PROVIDERS[name], published[name])
        ca_file = folder / CA_FILE_NAME
        ca_file.write_text(ca.certificate_pem, encoding="ascii")
        replace_secrets(folder, kept)
    except BaseException:
        for server in servers:
            server.stop()
        raise
    environ_of_fetcher = {name: value for name, value in found.items() if not name.startswith(SIGNER_PREFIX)}
    return PublishedKeys(servers=servers, signers=published, environ=environ_of_fetcher | {_CA_SETTING: str(ca_file)})
