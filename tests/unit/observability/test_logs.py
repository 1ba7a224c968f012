"""What a process prints. In processes of their own: logging is set up once per process."""

import json
import subprocess
import sys
from typing import Any

import pytest

PRELUDE = """
import logging, structlog
from tenrusl.observability import logs
from tenrusl.rpc.context import request_id
from tenrusl.secret import Secret
logs.configure(service="ingress", json={json})
log = structlog.get_logger("test")
"""


def printed(code: str, *, json_lines: bool = True) -> list[str]:
    script = PRELUDE.format(json=json_lines) + code
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return done.stdout.splitlines()


def records(code: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed(code)]


def test_a_line_carries_service_level_time_and_the_request_id_of_the_call() -> None:
    first, second = records('log.info("a", n=1); request_id.set("request-1"); log.warning("b")')
    assert first.items() >= {"event": "a", "n": 1, "service": "ingress", "level": "info"}.items()
    assert first["timestamp"].endswith("Z")
    assert "request_id" not in first
    assert second.items() >= {"event": "b", "level": "warning", "request_id": "request-1"}.items()


def test_debug_lines_are_left_out() -> None:
    assert printed('log.debug("a")') == []


@pytest.mark.parametrize("json_lines", [True, False])
def test_secrets_are_masked(json_lines: bool) -> None:
    text = "\n".join(
        printed('log.info("a", secret="hunter2", authorization="hunter2", x=Secret("hunter2"))', json_lines=json_lines)
    )
    assert "hunter2" not in text
    assert text.count("***") == 3


@pytest.mark.parametrize("json_lines", [True, False])
def test_a_traceback_is_printed_without_local_variables(json_lines: bool) -> None:
    code = """
def f():
    local = "hunter" + "2"
    raise KeyError("x")
try:
    f()
except KeyError:
    log.exception("failed")
    logging.getLogger("library").exception("failed too")
"""
    text = "\n".join(printed(code, json_lines=json_lines))
    assert text.count("KeyError: 'x'") == 2
    assert "hunter2" not in text


def test_warnings_of_libraries_have_the_same_form_and_their_chatter_is_left_out() -> None:
    (line,) = records('logging.getLogger("uvicorn").warning("odd %s", 1); logging.getLogger("uvicorn").info("x")')
    assert line.items() >= {"event": "odd 1", "service": "ingress", "level": "warning"}.items()
