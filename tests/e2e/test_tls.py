"""All processes with TLS on every gRPC hop, by certificates of a private authority."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tenrusl.api.processor.v1 import processor_pb2, processor_pb2_grpc
from tenrusl.local.ports import PortReservations
from tenrusl.payments import PaymentStatus
from tenrusl.tls_files import CA_FILE, CERT_FILE, KEY_FILE, TlsFiles
from tests.e2e.conftest import World, running_world
from tests.pki_files import private_authority, write_files


def variables(files: TlsFiles) -> dict[str, str]:
    return {CERT_FILE: str(files.certificate), KEY_FILE: str(files.key), CA_FILE: str(files.ca)}


@dataclasses.dataclass(frozen=True)
class TlsWorld:
    """A world whose services use `files`."""

    world: World
    files: TlsFiles


@pytest.fixture(scope="module")
def tls(ports: PortReservations, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsWorld]:
    files = write_files(tmp_path_factory.mktemp("tls"))
    with running_world(
        ports, **variables(files), TENRUSL_HANDOFF_DELAY_SECONDS="3600", TENRUSL_RETRY_BASE_SECONDS="0.1"
    ) as world:
        yield TlsWorld(world, files)


def run(tls: TlsWorld, *command: str, files: TlsFiles | None) -> subprocess.CompletedProcess[str]:
    """Runs the command line with these files."""
    stack = tls.world.stack
    return subprocess.run(
        [str(Path(sys.executable).with_name("tenrusl")), *command],
        env={
            "PATH": os.environ["PATH"],
            "TENRUSL_ADMIN_KEY_FILE": str(stack.folder / "admin.key"),
            **{
                f"TENRUSL_{service.upper()}_TARGET": f"dns:///{stack.target(service)}"
                for service in ("admin", "scheduler", "processor")
            },
            **(variables(files) if files else {}),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def pay(world: World, ref: str) -> None:
    """Sends a webhook until it is taken and waits for its effect, which only the hand-off brings: it is due later."""
    body = world.body("stripe", ref, PaymentStatus.SUCCEEDED)
    world.wait(lambda: world.send("stripe", body).status_code == 200)
    world.wait(lambda: world.status("stripe", ref) == "succeeded")


def test_webhooks_are_processed(tls: TlsWorld) -> None:
    pay(tls.world, "tls-1")


def test_the_scheduler_reaches_the_processor(tls: TlsWorld) -> None:
    world = tls.world
    body = world.body("mock", "tls-retried", PaymentStatus.SUCCEEDED, directives={"fail_first": 1})
    assert world.send("mock", body).status_code == 202
    world.wait(lambda: world.status("mock", "tls-retried") == "succeeded")


def test_operators_reach_admin_through_the_gateway_and_admin_reaches_ingress(tls: TlsWorld) -> None:
    key = (tls.world.stack.folder / "admin.key").read_text().strip()
    answer = tls.world.http.get("/api/v1/admin/backlog", headers={"X-Admin-Key": key})
    assert answer.status_code == 200, answer.text
    done = run(tls, "rejected", "reverify", "stripe", "--reason", "a test", files=tls.files)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "command", [("backlog",), ("webhooks", "retry"), ("maintenance", "run"), ("events", "unconfirmed")]
)
def test_the_command_line_reaches_each_service(tls: TlsWorld, command: tuple[str, ...]) -> None:
    done = run(tls, *command, files=tls.files)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_command_line_is_refused_without_a_certificate(tls: TlsWorld, tmp_path: Path) -> None:
    stranger = write_files(tmp_path, ca=private_authority("Another CA"), trusts=private_authority())
    for files in (None, stranger):
        done = run(tls, "backlog", files=files)
        assert done.returncode == 1
        assert "UNAVAILABLE" in done.stderr
    done = run(tls, "backlog", files=dataclasses.replace(tls.files, key=tmp_path / "none"))
    assert done.returncode == 1
    assert done.stderr.startswith(KEY_FILE)


@pytest.mark.parametrize("service", ["ingress", "processor", "scheduler", "admin"])
def test_no_service_answers_in_plaintext(tls: TlsWorld, service: str) -> None:
    with grpc.insecure_channel(tls.world.stack.target(service)) as channel:
        stub = processor_pb2_grpc.ProcessorServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.ProcessEvents(processor_pb2.ProcessEventsRequest(), timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_processes_take_up_certificates_of_another_authority_while_they_run(tls: TlsWorld) -> None:
    stack = tls.world.stack
    pay(tls.world, "tls-before")
    before = write_files(stack.folder / "before")
    pids = {service: stack.process(service).pid for service in ("gateway", "ingress", "processor")}
    write_files(tls.files.certificate.parent, ca=private_authority("The next CA"))
    pay(tls.world, "tls-after")
    assert pids == {service: stack.process(service).pid for service in pids}
    assert run(tls, "backlog", files=before).returncode == 1
    # Without the connections from before, the gateway is let in by its new certificate alone.
    for service in ("ingress", "processor"):
        stack.process(service).stop(30)
        stack.restart(service)
    pay(tls.world, "tls-reconnected")
    assert pids["gateway"] == stack.process("gateway").pid
