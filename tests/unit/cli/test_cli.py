"""The `tenrusl` command."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

_TENRUSL = Path(sys.executable).with_name("tenrusl")


def tenrusl(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("APP_", "DB_", "TENRUSL_"))}
    return subprocess.run(
        [str(_TENRUSL), *arguments], env={**clean, **environ}, capture_output=True, text=True, check=False, timeout=60
    )


def test_it_tells_its_version() -> None:
    done = tenrusl("--version")
    assert (done.returncode, done.stdout) == (0, f"tenrusl {importlib.metadata.version('tenrusl')}\n")


def test_migrate_passes_on_the_exit_code_and_names_what_is_missing() -> None:
    done = tenrusl("migrate")
    assert done.returncode == 1
    assert "APP_KEY" in done.stderr


def test_migrate_brings_a_database_up(database_url: str) -> None:
    done = tenrusl("migrate", APP_KEY=f"base64:{'A' * 43}=", DB_URL=database_url)
    assert (done.returncode, done.stderr) == (0, "")
    assert "revision" in done.stdout
    again = tenrusl("migrate", "--json", APP_KEY=f"base64:{'A' * 43}=", DB_URL=database_url)
    assert json.loads(again.stdout)["revision"]
