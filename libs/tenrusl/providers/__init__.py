"""Every provider by its name, as it stands in the webhook's address."""

from collections.abc import Mapping
from types import MappingProxyType

from tenrusl.providers import midtrans, mock, stripe, xendit
from tenrusl.providers.types import Provider

PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {provider.name: provider for provider in (mock.PROVIDER, stripe.PROVIDER, xendit.PROVIDER, midtrans.PROVIDER)}
)

__all__ = ["PROVIDERS"]
