"""By the operator's commands: a provider is limited and let go, and rejected webhooks are accepted after all."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tenrusl.local.ports import PortReservations
from tenrusl.payments import PaymentStatus
from tests.e2e.conftest import World, running_world

S = PaymentStatus
_TENRUSL = Path(sys.executable).with_name("tenrusl")
_RIGHT = "the-secret-that-the-provider-signs-with"
_KEPT = "SELECT count(*) FROM rejected_webhooks WHERE provider = 'mock'"
_EFFECTS = """
    SELECT count(*), count(DISTINCT webhook_event_id) FROM payment_transitions
    WHERE webhook_event_id IN (SELECT id FROM webhook_events WHERE payment_ref LIKE %s)
    """


@pytest.fixture(scope="module")
def secret_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mounted secret of mock, which is wrong at first."""
    path = tmp_path_factory.mktemp("secrets") / "mock"
    path.write_text("a-secret-that-was-mistyped-by-somebody", encoding="ascii")
    return path


@pytest.fixture(scope="module")
def own_world(ports: PortReservations, secret_file: Path) -> Iterator[World]:
    with running_world(ports, TENRUSL_WEBHOOK_SECRET_MOCK_NEXT_FILE=str(secret_file)) as world:
        yield world


def tenrusl(world: World, *arguments: str) -> str:
    """What the command prints."""
    done = subprocess.run(
        [str(_TENRUSL), *arguments],
        env={
            "PATH": os.environ["PATH"],
            "TENRUSL_ADMIN_TARGET": world.stack.target("admin"),
            "TENRUSL_ADMIN_KEY": world.stack.settings.admin_key.reveal(),
        },
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def send(world: World, ref: str, *, secret: str | None = None) -> httpx.Response:
    return world.send("mock", world.body("mock", ref, S.SUCCEEDED, event_id=f"event-{ref}"), secret=secret)


def test_a_provider_is_limited_and_let_go(own_world: World) -> None:
    world, ref = own_world, f"limited-{uuid4().hex[:8]}"
    tenrusl(world, "throttle", "set", "mock", "0.01", "--reason", "a flood")
    refused: list[httpx.Response] = []

    def is_refused() -> bool:
        refused[:] = [send(world, ref)]
        return refused[0].status_code == httpx.codes.TOO_MANY_REQUESTS

    world.wait(is_refused)
    assert int(refused[0].headers["Retry-After"]) > 0
    assert refused[0].json()["reason"] == "THROTTLED"
    body = world.body("stripe", ref, S.SUCCEEDED)
    assert world.send("stripe", body).is_success
    (listed,) = map(json.loads, tenrusl(world, "throttle", "list", "--json").splitlines())
    assert (listed["provider"], listed["requests_per_second"]) == ("mock", 0.01)
    tenrusl(world, "throttle", "clear", "mock", "--reason", "it is over")
    world.wait(lambda: send(world, ref).is_success)
    audited = world.rows("SELECT action FROM audit_log WHERE target = 'provider/mock' ORDER BY number")
    assert audited[:2] == [("throttle.set",), ("throttle.clear",)]


def test_what_was_rejected_is_processed_once_after_the_secret_was_put_right(
    own_world: World, secret_file: Path
) -> None:
    world, prefix = own_world, f"rejected-{uuid4().hex[:8]}"
    refs = [f"{prefix}-{n}" for n in range(5)]
    assert {send(world, ref, secret=_RIGHT).status_code for ref in refs} == {401}
    assert send(world, f"{prefix}-forged", secret="a-secret-of-a-forger").status_code == 401
    world.wait(lambda: world.rows(_KEPT) == [(6,)])
    secret_file.write_text(_RIGHT, encoding="ascii")
    # The provider comes again with one of them by itself.
    world.wait(lambda: send(world, refs[0], secret=_RIGHT).is_success)
    answer = json.loads(tenrusl(world, "rejected", "reverify", "mock", "--reason", "it was mistyped", "--json"))
    assert (answer["accepted"], answer["still_rejected"] > 0) == (4, True)
    world.wait(lambda: all(world.status("mock", ref) == "succeeded" for ref in refs))
    assert world.status("mock", f"{prefix}-forged") is None
    assert world.rows(_EFFECTS, f"{prefix}%") == [(5, 5)]
    again = json.loads(tenrusl(world, "rejected", "reverify", "mock", "--reason", "once more", "--json"))
    assert again["accepted"] == 0
    assert world.rows(_EFFECTS, f"{prefix}%") == [(5, 5)]
