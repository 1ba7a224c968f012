"""Prints secrets.template.yaml with new random values, for a first installation:

    TENRUSL_WEBHOOK_SECRET_STRIPE=whsec_… python3 deploy/k8s/make_secrets.py | kubectl create -f -

`create`, never `apply`: it refuses to replace an APP_KEY, without which stored payloads cannot be read. Credentials of
providers come from the environment, under the names of docs/providers.md. Needs nothing but Python.
"""

import base64
import hashlib
import os
import re
import secrets
import sys
from pathlib import Path
from string import Template

_CREDENTIAL = re.compile(r"TENRUSL_WEBHOOK_SECRET_[A-Z0-9_]+|TENRUSL_PROVIDER_[A-Z0-9_]+__[A-Z0-9_]+")
_APP_KEYS = ("APP_KEY", "UNUSED_APP_KEY")
_ROLES = ("VIEWER", "OPERATOR", "ADMIN")
_HASH = "_SHA256"


def fill(template: str, credentials: dict[str, str]) -> str:
    """The template with a random value for each name in it, and the credentials in the last Secret."""
    names = sorted(set(re.findall(r"\$\{(\w+)\}", template)))
    values = {name: secrets.token_hex(32) for name in names if not name.endswith(_HASH)}
    for name in _APP_KEYS:
        values[name] = "base64:" + base64.b64encode(secrets.token_bytes(32)).decode()
    values["APP_PREVIOUS_KEYS"] = ""
    for role in _ROLES:
        key = f"CRON_{role}"
        values[key + _HASH] = hashlib.sha256(values[key].encode()).hexdigest()
    entries = "".join(
        f"\n  {name}: {base64.b64encode(value.encode()).decode()}" for name, value in sorted(credentials.items())
    )
    head, separator, tail = Template(template).substitute(values).rpartition("\ndata: {}")
    return f"{head}\ndata:{entries or ' {}'}{tail}" if separator else head + tail


if __name__ == "__main__":
    found = {name: value for name, value in os.environ.items() if _CREDENTIAL.fullmatch(name) and value}
    sys.stdout.write(fill(Path(__file__).with_name("secrets.template.yaml").read_text(encoding="utf-8"), found))
