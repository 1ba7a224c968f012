"""Which pages are generated."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tenrusl.docs.configuration_page import render_configuration
from tenrusl.docs.metrics_page import render_metrics
from tenrusl.docs.providers_page import render_providers

# The page's place in the repository, and what makes its text.
PAGES: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "docs/configuration.md": render_configuration,
        "docs/metrics.md": render_metrics,
        "docs/providers.md": render_providers,
    }
)
