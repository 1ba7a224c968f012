"""Every provider by its name, as it stands in the webhook's address."""

from collections.abc import Mapping
from types import MappingProxyType

from tenrusl.providers import (
    airwallex,
    amazon_bwp,
    dana,
    doku,
    lemonsqueezy,
    midtrans,
    mock,
    oy,
    paddle,
    payoneer,
    paypal,
    skrill,
    standardwebhooks,
    stripe,
    tripay,
    xendit,
)
from tenrusl.providers.types import Provider

PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {
        module.PROVIDER.name: module.PROVIDER
        for module in (
            mock,
            airwallex,
            amazon_bwp,
            dana,
            doku,
            lemonsqueezy,
            midtrans,
            oy,
            paddle,
            payoneer,
            paypal,
            skrill,
            standardwebhooks,
            stripe,
            tripay,
            xendit,
        )
    }
)

__all__ = ["PROVIDERS"]
