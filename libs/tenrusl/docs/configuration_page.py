"""docs/configuration.md: every setting, from settings.py."""

import dataclasses
from datetime import timedelta
from typing import Any

from tenrusl.docs.markdown import code, table
from tenrusl.docs.readers import PROGRAMS, checked_at_start, readers
from tenrusl.secret import Secret
from tenrusl.settings import Settings

_INTRODUCTION = """\
# Configuration

<!-- Made from libs/tenrusl/settings.py by `make docs`. Do not edit. -->

Everything is set by environment variables, which are read once at start; an empty one counts as one that is not set. A
service that finds some of them wrong does not start and names each. `make run` needs none of them. To start from a file
with all of them: [.env.example](../.env.example). The credentials of providers stand in [providers.md](providers.md).

"Read by" tells what a program uses. "Start": it is only judged at the start of every program, most in production alone.
"None": only its form is checked. Every program refuses to start with a value that cannot be read, whoever would use it.
"""
_RULES = """\
## Together

- PostgreSQL is found by `DB_URL`, else by `DB_HOST` and its companions; Redis by `REDIS_URL`, else by `REDIS_HOST`.
- `ADMIN_DEMO_KEY` is another name of `TENRUSL_ADMIN_DEMO_KEY`, which counts where both are set.
- `APP_ENV=production` refuses: `APP_DEBUG`, a `CACHE_STORE` that is not `redis`, no `TENRUSL_ALLOWED_PROVIDERS`, `mock`
  among them unless `TENRUSL_ALLOW_MOCK_IN_PRODUCTION`, operators' keys that are short, and gRPC in plaintext unless
  `TENRUSL_GRPC_INSECURE`.
- `TENRUSL_GRPC_TLS_CERT_FILE`, `TENRUSL_GRPC_TLS_KEY_FILE` and `TENRUSL_GRPC_TLS_CA_FILE` are set together or not at
  all, and read again when they change: [tls.md](tls.md). The command line reads them too.
- Traces are on where `OTEL_TRACES_EXPORTER` or an endpoint says so, and `OTEL_SDK_DISABLED` does not forbid it. Then
  OpenTelemetry reads more by itself: the other `OTEL_EXPORTER_OTLP_*` (certificates, headers, timeout), `OTEL_BSP_*`
  and `OTEL_RESOURCE_ATTRIBUTES`.
"""


def render_configuration() -> str:
    """The whole page, with a line feed at its end."""
    rows = [_row(field) for field in dataclasses.fields(Settings) if "env" in field.metadata]
    head = ["variable", "meaning", "values", "default", "read by", "secret"]
    return "\n\n".join(part.rstrip("\n") for part in (_INTRODUCTION, table(head, rows), _RULES)) + "\n"


def default_text(default: Any) -> str:
    """How a default is written in an environment; empty for none."""
    match default:
        case None | Secret() | ():
            return ""
        case bool():
            return str(default).lower()
        case timedelta():
            return f"{default.total_seconds():g}"
    return str(default)


def _row(field: "dataclasses.Field[Any]") -> list[str]:
    form = field.metadata["form"]
    return [
        code(field.metadata["env"]),
        field.metadata["doc"],
        form.values,
        _default(field),
        _read_by(field.name),
        "yes" if form.is_secret else "no",
    ]


def _default(field: "dataclasses.Field[Any]") -> str:
    if field.default is dataclasses.MISSING:
        return "required"
    text = default_text(field.default)
    return code(text) if text else "empty"


def _read_by(name: str) -> str:
    programs = readers()[name]
    if not programs:
        return "start" if name in checked_at_start() else "none"
    services = tuple(program for program in PROGRAMS if program != "migrate")
    return "all services" if programs == services else ", ".join(programs)
