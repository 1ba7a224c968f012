"""Which names of variables mean something to a service, to the command line, or to a library that we run."""

from __future__ import annotations

import base64
import dataclasses
import re

from tenrusl.providers import PROVIDERS
from tenrusl.retention import read_overrides
from tenrusl.settings import Settings, read_credentials
from tests.unit.deploy.command_line import options_of_the_command_line

SETTINGS = {field.metadata["env"]: field for field in dataclasses.fields(Settings) if "env" in field.metadata}
# Of the drivers and libraries that we run: PostgreSQL's (libpq) and OpenTelemetry's.
FOREIGN = re.compile(r"PGSSLMODE|PGSSLROOTCERT|OTEL_[A-Z_]+")
# What the command line reads beside the options that name a variable: tenrusl.cli.rpc.
OF_THE_COMMAND_LINE = {"TENRUSL_ADMIN_KEY_FILE"}
# mTLS between the services and what probes ask beside it, read by tenrusl.rpc.
OF_MTLS = {
    "TENRUSL_GRPC_TLS_CERT_FILE",
    "TENRUSL_GRPC_TLS_KEY_FILE",
    "TENRUSL_GRPC_TLS_CA_FILE",
    "TENRUSL_GRPC_INSECURE",
    "TENRUSL_HEALTH_LISTEN",
}
# In the place of an APP_KEY.
KEY = "base64:" + base64.b64encode(b"k" * 32).decode()


def is_known(name: str) -> bool:
    """Whether somebody reads it."""
    credentials, _ = read_credentials({name: "value"})
    overrides, _ = read_overrides({name: "7"})
    return (
        name in SETTINGS
        or name in OF_MTLS
        or name in OF_THE_COMMAND_LINE
        or name in options_of_the_command_line()
        or bool(FOREIGN.fullmatch(name))
        or bool(set(credentials) & set(PROVIDERS))
        or bool(set(overrides) & set(PROVIDERS))
        or (name.endswith("_FILE") and is_known(name.removesuffix("_FILE")))
    )
