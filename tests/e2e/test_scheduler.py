"""What fails comes back by itself, and by the operator's command; a processor that dies loses nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import grpc
import pytest

from tenrusl.api.externalscaler.v1 import externalscaler_pb2, externalscaler_pb2_grpc
from tenrusl.local.ports import PortReservations
from tenrusl.payments import PaymentStatus
from tests.e2e.conftest import World, running_world

S = PaymentStatus
_TENRUSL = Path(sys.executable).with_name("tenrusl")
EVENT = "SELECT id::text FROM webhook_events WHERE payment_ref = %s"
STATUS = "SELECT status, attempts FROM webhook_events WHERE payment_ref = %s"
TRANSITIONS = """
    SELECT count(*), count(DISTINCT webhook_event_id) FROM payment_transitions
    WHERE webhook_event_id IN (SELECT id FROM webhook_events WHERE payment_ref LIKE %s)
    """


@pytest.fixture(scope="module")
def quick_world(ports: PortReservations) -> Iterator[World]:
    """Delays and leases are short, and the scheduler runs by itself."""
    with running_world(
        ports,
        TENRUSL_RETRY_BASE_SECONDS="0.2",
        TENRUSL_RETRY_CAP_SECONDS="0.5",
        TENRUSL_PROCESSING_LEASE_SECONDS="2",
        TENRUSL_HANDOFF_DELAY_SECONDS="1",
        TENRUSL_SCHEDULER_RETRY_INTERVAL_SECONDS="0.2",
    ) as world:
        yield world


@pytest.fixture(scope="module")
def still_world(ports: PortReservations) -> Iterator[World]:
    """Nothing runs unless somebody calls, and nothing is due by itself for an hour."""
    with running_world(
        ports, TENRUSL_SCHEDULER_TICKER="off", TENRUSL_RETRY_BASE_SECONDS="3600", TENRUSL_RETRY_MODE="equal"
    ) as world:
        yield world


def new_ref() -> str:
    return f"ref-{uuid4().hex[:12]}"


def tenrusl(world: World, *arguments: str, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(_TENRUSL), *arguments],
        cwd=cwd,
        env={
            **os.environ,
            "TENRUSL_SCHEDULER_TARGET": world.stack.target("scheduler"),
            "TENRUSL_ADMIN_KEY_FILE": str(world.stack.folder / "admin.key"),
            **environ,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def send(world: World, ref: str, **directives: object) -> str:
    """Sends a mock event about a payment; the event's id."""
    body = world.body("mock", ref, S.SUCCEEDED, directives=directives)
    assert world.send("mock", body).status_code == 202
    return str(world.rows(EVENT, ref)[0][0])


def test_what_fails_comes_back_by_itself(quick_world: World) -> None:
    ref = new_ref()
    send(quick_world, ref, fail_first=3)
    quick_world.wait(lambda: quick_world.status("mock", ref) == "succeeded")
    assert quick_world.rows(STATUS, ref) == [("processed", 4)]


def test_a_processor_that_is_killed_midway_loses_nothing_and_repeats_nothing(quick_world: World) -> None:
    run = new_ref()
    refs = [f"{run}-{number}" for number in range(40)]
    for ref in refs:
        send(quick_world, ref, take_ms=400)
    started = "SELECT count(*) FROM webhook_events WHERE payment_ref LIKE %s AND status <> 'received'"
    quick_world.wait(lambda: quick_world.rows(started, f"{run}-%")[0][0] != 0)
    quick_world.stack.process("processor").kill()
    quick_world.stack.restart("processor")
    done = "SELECT count(*) FROM webhook_events WHERE payment_ref LIKE %s AND status = 'processed'"
    quick_world.wait(lambda: quick_world.rows(done, f"{run}-%") == [(40,)])
    assert quick_world.rows(TRANSITIONS, f"{run}-%") == [(40, 40)]
    assert all(quick_world.status("mock", ref) == "succeeded" for ref in refs)


def test_the_runbooks_command_word_for_word(still_world: World) -> None:
    ref = new_ref()
    send(still_world, ref, fail_first=1)
    still_world.wait(lambda: still_world.rows(STATUS, ref) == [("failed", 1)])
    command = ["webhooks", "retry", "--limit=500", "--max-attempts=5", "--mode=full", "--queue"]
    assert tenrusl(still_world, *command).stdout == "0 found\n"
    still_world.rows("UPDATE webhook_events SET next_retry_at = now() WHERE payment_ref = %s RETURNING 1", ref)
    done = tenrusl(still_world, *command)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 found, 1 handed to the processor\n", "")
    still_world.wait(lambda: still_world.status("mock", ref) == "succeeded")


def test_one_event_by_its_id(still_world: World) -> None:
    ref = new_ref()
    event_id = send(still_world, ref, fail_first=1)
    still_world.wait(lambda: still_world.rows(STATUS, ref) == [("failed", 1)])
    refused = tenrusl(still_world, "webhooks", "retry-one", event_id)
    assert (refused.returncode, refused.stdout) == (1, "1 found, 1 skipped\n")
    done = tenrusl(still_world, "webhooks", "retry-one", event_id, "--force", "--json")
    assert done.returncode == 0
    result = json.loads(done.stdout)
    assert (result["found"], result["processed"], result["done"]) == (1, 1, True)
    assert still_world.status("mock", ref) == "succeeded"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["webhooks", "retry-one", "nonsense"], "event_id"),
        (["webhooks", "retry", "--provider", "nobody"], "provider"),
        (["payloads", "purge", "--older-than", "0d"], "older_than"),
    ],
)
def test_what_is_wrong_is_named(still_world: World, arguments: list[str], field: str) -> None:
    done = tenrusl(still_world, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{field}: must be")


@pytest.mark.parametrize(
    "arguments",
    [
        ["webhooks", "retry", "--limit", "0"],
        ["webhooks", "retry", "--limit", "-5"],
        ["webhooks", "retry", "--limit", "100001"],
        ["webhooks", "retry", "--limit", "99999999999"],
        ["webhooks", "retry", "--max-attempts", "-1"],
        ["webhooks", "retry", "--mode", "never"],
        ["payloads", "purge", "--older-than", "soon"],
        ["payloads", "hold", "01980a5c-7f3e-7b21-9c44-3f1e52a0c6de"],
    ],
)
def test_what_is_no_command_exits_with_2(still_world: World, arguments: list[str]) -> None:
    assert tenrusl(still_world, *arguments).returncode == 2


def test_an_event_that_is_not_there(still_world: World) -> None:
    for command in (["webhooks", "retry-one"], ["payloads", "hold", "--reason", "why"]):
        done = tenrusl(still_world, *command, "01980a5c-7f3e-7b21-9c44-3f1e52a0c6de")
        assert done.returncode == 1
        assert "NOT_FOUND" in done.stderr


def test_a_payload_is_held_and_released(still_world: World) -> None:
    event_id = send(still_world, new_ref())
    held = tenrusl(still_world, "payloads", "hold", event_id, "--reason", "dispute 4711")
    assert held.returncode == 0
    assert held.stdout.endswith("UTC: dispute 4711\n")
    again = json.loads(tenrusl(still_world, "payloads", "hold", event_id, "--reason", "another", "--json").stdout)
    assert again["reason"] == "dispute 4711"
    assert datetime.fromisoformat(again["hold_time"])
    released = [tenrusl(still_world, "payloads", "release", event_id, "--reason", "closed").stdout for _ in range(2)]
    assert released == ["released\n", "it was not held\n"]


def test_purge_and_maintenance_tell_what_they_did(still_world: World) -> None:
    send(still_world, new_ref())
    dry = tenrusl(still_world, "payloads", "purge", "--older-than", "14d", "--provider", "mock", "--dry-run")
    assert (dry.returncode, dry.stdout) == (0, "would be: 0 payloads forgotten\n")
    done = json.loads(tenrusl(still_world, "payloads", "purge", "--json").stdout)
    assert (done["done"], done["purged"]) == (True, 0)
    upkeep = json.loads(tenrusl(still_world, "maintenance", "run", "--json").stdout)
    assert (upkeep["done"], upkeep["already_running"]) == (True, False)


def test_nobody_there_is_an_error_for_a_cronjob(still_world: World) -> None:
    done = tenrusl(still_world, "webhooks", "retry", "--scheduler", "dns:///127.0.0.1:1")
    assert done.returncode == 1
    assert "UNAVAILABLE" in done.stderr


def test_keda_can_ask(still_world: World) -> None:
    with grpc.insecure_channel(still_world.stack.target("scheduler")) as channel:
        keda = externalscaler_pb2_grpc.ExternalScalerStub(channel)
        reference = externalscaler_pb2.ScaledObjectRef(name="processor", namespace="default")
        specs = keda.GetMetricSpec(reference, timeout=10).metricSpecs
        assert [spec.metricName for spec in specs] == ["backlog"]
        request = externalscaler_pb2.GetMetricsRequest(scaledObjectRef=reference, metricName="backlog")
        (value,) = keda.GetMetrics(request, timeout=10).metricValues
        assert value.metricName == "backlog"


def test_without_a_key_the_scheduler_does_nothing(still_world: World, tmp_path: Path) -> None:
    done = tenrusl(still_world, "webhooks", "retry", cwd=tmp_path, TENRUSL_ADMIN_KEY_FILE="", TENRUSL_ADMIN_KEY="")
    assert (done.returncode, "UNAUTHENTICATED" in done.stderr) == (1, True)
    assert "set TENRUSL_ADMIN_KEY_FILE" in done.stderr


def test_the_key_of_a_local_stack_is_found_in_its_folder(still_world: World) -> None:
    folder = still_world.stack.folder
    (folder / ".tenrusl").symlink_to(folder)
    done = tenrusl(still_world, "webhooks", "retry", cwd=folder, TENRUSL_ADMIN_KEY_FILE="", TENRUSL_ADMIN_KEY="")
    assert (done.returncode, done.stderr) == (0, "")
