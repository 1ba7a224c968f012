"""What production refuses to start with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenrusl.tls_files import CA_FILE, CERT_FILE, KEY_FILE

if TYPE_CHECKING:
    from tenrusl.settings import Settings

MIN_ADMIN_KEY_CHARACTERS = 32


def production_problems(settings: Settings) -> list[str]:
    """One line for each setting that is too weak for production, starting with the variable's name."""
    problems = []
    if settings.app_debug:
        problems.append("APP_DEBUG: must be false in production")
    if settings.cache_store != "redis":
        problems.append("CACHE_STORE: must be redis in production; locks are shared by all instances")
    if not settings.allowed_providers:
        problems.append("TENRUSL_ALLOWED_PROVIDERS: must name the providers in production")
    if "mock" in settings.allowed_providers and not settings.allow_mock_in_production:
        problems.append("TENRUSL_ALLOWED_PROVIDERS: must not hold mock in production")
    if len(settings.admin_key) < MIN_ADMIN_KEY_CHARACTERS:
        problems.append(f"TENRUSL_ADMIN_KEY: must have {MIN_ADMIN_KEY_CHARACTERS} characters or more in production")
    if settings.admin_demo_key and len(settings.admin_demo_key) < MIN_ADMIN_KEY_CHARACTERS:
        problems.append(
            f"TENRUSL_ADMIN_DEMO_KEY: must have {MIN_ADMIN_KEY_CHARACTERS} characters or more in production"
        )
    named = {
        CERT_FILE: settings.grpc_tls_cert_file,
        KEY_FILE: settings.grpc_tls_key_file,
        CA_FILE: settings.grpc_tls_ca_file,
    }
    if not settings.grpc_insecure and not any(named.values()):
        problems += [f"{name}: must be set in production, unless TENRUSL_GRPC_INSECURE is true" for name in named]
    return problems
