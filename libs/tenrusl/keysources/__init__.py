"""Fetching the public keys that webhooks name: certificates and JWKS, seldom, and never where a stranger points."""

from tenrusl.keysources.https import FetchError, HttpsFetcher
from tenrusl.keysources.source import KeySource, KeyUnavailableError

__all__ = ["FetchError", "HttpsFetcher", "KeySource", "KeyUnavailableError"]
