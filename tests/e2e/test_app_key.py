"""APP_KEY is replaced step by step while webhooks come, and nothing of before is lost."""

import base64
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tenrusl.local.ports import PortReservations
from tenrusl.payments import PaymentStatus
from tests.e2e.conftest import SECRETS, World, start_stack

OLD, NEW = (f"base64:{base64.b64encode(bytes([byte] * 32)).decode()}" for byte in (1, 2))
NEW_SECRET = "a-new-secret-of-mock"


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="tenrusl-e2e-"))
    yield path
    shutil.rmtree(path)


@contextmanager
def step(folder: Path, ports: PortReservations, key: str, previous: str = "") -> Iterator[World]:
    """All services with these keys, on the data of the step before."""
    stack = start_stack(folder, ports, APP_KEY=key, APP_PREVIOUS_KEYS=previous, TENRUSL_SCHEDULER_TICKER="off")
    world = World(stack)
    try:
        yield world
    finally:
        world.close()
        stack.stop()


def tenrusl(world: World, *arguments: str, expected: int = 0, **environ: str) -> str:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("tenrusl")), *arguments],
        env={
            "TENRUSL_ADMIN_KEY_FILE": str(world.stack.folder / "admin.key"),
            "TENRUSL_ADMIN_TARGET": f"dns:///{world.stack.target('admin')}",
            **environ,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == expected, (arguments, done.stdout, done.stderr)
    for secret in (OLD[7:], NEW[7:], NEW_SECRET):
        assert secret not in done.stdout + done.stderr
    return done.stdout


def put(world: World, ref: str) -> tuple[str, bytes]:
    """The id of a new event, and what was sent."""
    body = world.body("mock", ref, PaymentStatus.SUCCEEDED)
    assert world.send("mock", body, secret=NEW_SECRET).status_code == 202
    sql = "SELECT id::text FROM webhook_events WHERE payment_ref = %s"
    return str(world.rows(sql, ref)[0][0]), body


def payloads(world: World, events: list[tuple[str, bytes]]) -> None:
    """Each payload is read as it was sent."""
    for event_id, body in events:
        assert tenrusl(world, "events", "payload", event_id).encode().rstrip(b"\n") == body


def usage(world: World, *, expected: int = 0) -> dict[str, int]:
    """Payloads by the role of their key."""
    found = json.loads(tenrusl(world, "keys", "status", "--json", expected=expected))
    assert found["done"]
    return {key["role"].removeprefix("KEY_ROLE_"): int(key["payloads"]) for key in found["keys"]}


def test_a_key_is_replaced_in_steps(folder: Path, ports: PortReservations, tmp_path: Path) -> None:
    secret_file = tmp_path / "secret"
    secret_file.write_text(NEW_SECRET)
    with step(folder, ports, OLD) as world:
        order = ("--reason", "yearly", "--owner", "payments", "--secret-file", str(secret_file))
        world.wait(lambda: "current" in tenrusl(world, "secrets", "list", "--provider", "mock"))
        tenrusl(world, "secrets", "rotate", "begin", "mock", *order)
        probe = world.body("mock", "key-0", PaymentStatus.SUCCEEDED)
        world.wait(lambda: world.send("mock", probe, secret=NEW_SECRET).status_code == 202)
        tenrusl(world, "secrets", "rotate", "complete", "mock", "--force")
        events = [put(world, "key-1")]
    with step(folder, ports, OLD, NEW) as world:
        events.append(put(world, "key-2"))
        payloads(world, events)
    with step(folder, ports, NEW, OLD) as world:
        payloads(world, events)
        events.append(put(world, "key-3"))
        assert usage(world) == {"CURRENT": 1, "PREVIOUS": 3}
        steps = [json.loads(line) for line in tenrusl(world, "keys", "rewrap", "--json").splitlines()]
        assert [steps[-1][name] for name in ("payloads", "secrets", "unreadable", "done")] == [3, 1, 0, True]
        assert usage(world) == {"CURRENT": 4, "PREVIOUS": 0}
        assert "sealed anew: 0 payloads" in tenrusl(world, "keys", "rewrap")
        assert "may be dropped" in tenrusl(world, "keys", "status")
    with step(folder, ports, NEW) as world:
        payloads(world, events)
        assert usage(world) == {"CURRENT": 4}
        put(world, "key-4")
        # The secret of the environment was retired under the old key.
        assert world.send("mock", b"{}", secret=SECRETS["mock"]).status_code == 401
        tenrusl(world, "audit", "verify")
