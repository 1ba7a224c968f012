"""An event that no signature covers waits, where a setting says so, until an operator has decided."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tenrusl.local.ports import PortReservations
from tenrusl.payments import PaymentStatus
from tests.e2e.conftest import World, running_world

S = PaymentStatus
_TENRUSL = Path(sys.executable).with_name("tenrusl")


@pytest.fixture(scope="module")
def careful_world(ports: PortReservations) -> Iterator[World]:
    with running_world(ports, TENRUSL_CONFIRM_PROVIDERS="xendit") as world:
        yield world


def events(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `tenrusl events …` with the key of the stack."""
    return subprocess.run(
        [str(_TENRUSL), "events", *arguments],
        env={
            **os.environ,
            "TENRUSL_ADMIN_KEY_FILE": str(world.stack.folder / "admin.key"),
            "TENRUSL_ADMIN_TARGET": f"dns:///{world.stack.target('admin')}",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def audited(world: World, event_id: str) -> list[tuple[object, ...]]:
    """Who did what to this event, by the audit log."""
    sql = "SELECT actor, role, action FROM audit_log WHERE target = %s ORDER BY number"
    return world.rows(sql, f"event/{event_id}")


def waiting_event(world: World) -> tuple[str, str]:
    """Reference and id of an event that Xendit sent and that waits."""
    ref = f"ref-{uuid4().hex[:12]}"
    assert world.send("xendit", world.body("xendit", ref, S.SUCCEEDED)).status_code == 200
    sql = "SELECT id::text FROM webhook_events WHERE payment_ref = %s AND status = 'unconfirmed'"
    world.wait(lambda: len(world.rows(sql, ref)) == 1)
    return ref, str(world.rows(sql, ref)[0][0])


def test_a_confirmed_event_moves_its_payment(careful_world: World) -> None:
    ref, event_id = waiting_event(careful_world)
    assert careful_world.status("xendit", ref) is None
    listed = events(careful_world, "unconfirmed", "--provider", "xendit")
    line = next(line for line in listed.stdout.splitlines() if event_id in line)
    assert ref in line
    assert "150000 IDR" in line
    done = events(careful_world, "confirm", event_id)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 processed\n", "")
    assert careful_world.status("xendit", ref) == "succeeded"
    assert careful_world.rows("SELECT confirmed_by FROM webhook_events WHERE id = %s", event_id) == [("admin",)]
    assert audited(careful_world, event_id) == [("admin", "admin", "events.confirm")]
    again = events(careful_world, "confirm", event_id)
    assert (again.returncode, again.stdout) == (
        1,
        f"0 processed\n{event_id}  skipped: it does not wait for confirmation\n",
    )
    assert len(audited(careful_world, event_id)) == 1


def test_a_refuted_event_is_set_aside(careful_world: World) -> None:
    ref, event_id = waiting_event(careful_world)
    done = events(careful_world, "refute", event_id)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 refuted\n", "")
    assert audited(careful_world, event_id) == [("admin", "admin", "events.refute")]
    assert careful_world.status("xendit", ref) is None
    found = careful_world.rows("SELECT status, failure_message FROM webhook_events WHERE id = %s", event_id)
    assert found == [("dead_letter", "refuted by admin")]


def test_a_signed_body_needs_no_confirmation(careful_world: World) -> None:
    ref = f"ref-{uuid4().hex[:12]}"
    careful_world.send("stripe", careful_world.body("stripe", ref, S.SUCCEEDED))
    careful_world.wait(lambda: careful_world.status("stripe", ref) == "succeeded")


def test_an_id_that_is_none_is_named(careful_world: World) -> None:
    done = events(careful_world, "confirm", "nonsense")
    assert done.returncode == 2
    assert done.stderr == "event_ids: must hold UUIDs only\n"
