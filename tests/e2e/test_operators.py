"""What operators look at over HTTP and in reports, through all processes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tenrusl.payments import PaymentStatus
from tests.e2e.conftest import World

PATHS = ("/api/v1/admin/payments", "/api/admin/payments", "/api/v1/admin/events", "/api/v1/admin/backlog")


def key(world: World) -> str:
    return world.stack.settings.admin_key.reveal()


def tenrusl(world: World, *arguments: str) -> Any:
    """What the command prints as JSON."""
    environment = {
        **os.environ,
        "TENRUSL_ADMIN_KEY_FILE": str(world.stack.folder / "admin.key"),
        "TENRUSL_ADMIN_TARGET": f"dns:///{world.stack.target('admin')}",
    }
    command = [str(Path(sys.executable).with_name("tenrusl")), *arguments, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


@pytest.mark.parametrize("path", PATHS)
def test_it_takes_a_key_that_admin_accepts(world: World, path: str) -> None:
    assert world.http.get(path, headers={"X-Admin-Key": key(world)}).status_code == 200
    refused = [world.http.get(path, headers=headers) for headers in ({}, {"X-Admin-Key": "a-wrong-key-" * 3})]
    assert [answer.status_code for answer in refused] == [401, 401]
    assert [answer.json()["reason"] for answer in refused] == ["ADMIN_KEY_MISSING", "ADMIN_KEY_INVALID"]
    assert not [answer for answer in refused if "www-authenticate" in answer.headers]


def test_an_event_is_listed_and_captured_with_its_payload(world: World) -> None:
    ref = f"ref-{uuid4().hex[:12]}"
    body = world.body("stripe", ref, PaymentStatus.SUCCEEDED)
    assert world.send("stripe", body, **{"X-Request-ID": f"request-{ref}"}).status_code == 200
    world.wait(lambda: world.status("stripe", ref) == "succeeded")
    headers = {"X-Admin-Key": key(world)}
    found = world.http.get("/api/v1/admin/events", params={"payment_ref": ref}, headers=headers).json()
    (event,) = found["events"]
    assert (event["provider"], event["payment_ref"], event["status"]) == ("stripe", ref, "processed")
    payments = world.http.get(
        "/api/v1/admin/payments", params={"provider": "stripe", "status": "succeeded"}, headers=headers
    ).json()
    assert ref in [payment["payment_ref"] for payment in payments["payments"]]
    incident = tenrusl(world, "incident", "capture", event["id"])
    assert incident["payload_text"] == body.decode()
    assert f"request-{ref}" in incident["request_ids"]
    assert "stripe-signature" not in incident["details"]["headers"]
    assert [item["to_status"] for item in incident["transitions"]] == ["succeeded"]
    assert tenrusl(world, "report", "daily")["arrived"] >= 1
    assert tenrusl(world, "report", "weekly")["retention"][0]["days"] == 14
