"""Fetching the public keys that webhooks name: certificates and JWKS, seldom, and never where a stranger points."""

from tenrusl.keysources.https import FetchError, HttpsClient
from tenrusl.keysources.source import KeySource, KeyUnavailableError

__all__ = ["FetchError", "HttpsClient", "KeySource", "KeyUnavailableError"]
