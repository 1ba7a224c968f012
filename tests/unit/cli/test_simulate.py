"""`tenrusl simulate` sends what it says, and fails when anything is not as it must be."""

from __future__ import annotations

import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tenrusl.api.common.v1 import common_pb2
from tenrusl.cli import app, event_fates, sender
from tenrusl.local.keyring import FILE_NAME, kept_secrets
from tenrusl.providers import PROVIDERS
from tenrusl.simulator import simulated_credentials
from tenrusl.simulator.variables import from_variables, to_variables
from tests.unit.cli.fake_gateway import FakeGateway, fake_gateway

NAMES = ("mock", "oy", "payoneer", "stripe", "amazon_bwp")
CREDENTIALS = {name: simulated_credentials(PROVIDERS[name], random.Random(1)) for name in NAMES}
ENVIRON = {name: value for key in NAMES for name, value in to_variables(PROVIDERS[key], CREDENTIALS[key]).items()}
FAST = ("--rate", "1000", "--wait", "0.2", "--seed", "1")


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    with fake_gateway(CREDENTIALS) as running:
        yield running


def simulate(*arguments: str, environ: dict[str, str] = ENVIRON) -> Result:
    # Wide, so that no message is broken into lines.
    return CliRunner().invoke(app, ["simulate", *arguments], env={**environ, "COLUMNS": "400", "TERMINAL_WIDTH": "400"})


def test_a_gateway_that_does_right_passes(gateway: FakeGateway) -> None:
    done = simulate(*gateway.options, "--count", "150", "--stale", "0.3", *FAST, "--wait", "30")
    assert done.exit_code == 0, done.output
    assert "all is as it must be" in done.output
    assert re.search(r"payments: (\d+) of \1 are as they must be", done.output)
    assert re.search(r"^ +all +150 ", done.output, re.MULTILINE)
    for word in (*NAMES, "genuine", "duplicate", "forged", "stale", "p99 ms"):
        assert word in done.output
    assert "without dana: no credentials" in done.output
    assert gateway.connections <= 1 + sender.CONNECTIONS + 8  # kept alive


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("forgets", r"\d+ payments of acknowledged events are missing or in another state"),
        ("misjudges", r"stripe-\w+-\d+: nonsense, must be "),
    ],
)
def test_a_payment_that_is_missing_or_wrong_fails_it(gateway: FakeGateway, fault: str, message: str) -> None:
    setattr(gateway, fault, True)
    done = simulate(*gateway.options, "--provider", "stripe", "--count", "20", *FAST)
    assert done.exit_code == 1
    assert re.search(message, done.output)


@pytest.mark.parametrize(
    ("forced", "message"),
    [
        (200, "forged or stale webhooks were accepted"),
        (401, "authentic webhooks were refused"),
        (404, "no webhook was accepted"),
        (503, "no webhook was accepted"),
    ],
)
def test_wrong_answers_fail_it(gateway: FakeGateway, forced: int, message: str) -> None:
    gateway.forced = forced
    done = simulate(*gateway.options, "--provider", "stripe", "--count", "30", "--forged", "0.3", *FAST)
    assert done.exit_code == 1
    assert message in done.output


def test_a_payment_that_nobody_tells_of_fails_it(gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenrusl.cli.aftermath._state", lambda *_: None)
    done = simulate(*gateway.options, "--provider", "stripe", "--count", "5", *FAST)
    assert done.exit_code == 1
    assert "nobody could tell what became" in done.output


def test_payments_that_are_told_to_fail_need_not_be_there(gateway: FakeGateway) -> None:
    gateway.statuses["mock"] = common_pb2.EVENT_STATUS_FAILED
    arguments = ("--count", "10", "--duplicates", "0", "--failing", "1", "--forged", "0", *FAST)
    done = simulate(*gateway.options, "--provider", "mock", *arguments)
    assert done.exit_code == 0, done.output
    assert "10 are not there, and need not be: their events are not applied yet" in done.output


def test_without_the_store_check_payments_that_are_told_to_fail_need_not_be_there_either(gateway: FakeGateway) -> None:
    gateway.forgets = True
    arguments = ("--count", "10", "--duplicates", "0", "--failing", "1", "--forged", "0", *FAST)
    done = simulate(*gateway.options, "--provider", "mock", "--no-store-check", *arguments)
    assert done.exit_code == 0, done.output
    assert "10 are not there" in done.output
    assert gateway.asked == []


def test_one_acknowledged_event_that_is_missing_in_the_store_fails_it(gateway: FakeGateway) -> None:
    gateway.loses = {"stripe", "amazon_bwp"}  # their payments are as they must be
    arguments = ("--provider", "stripe", "--provider", "amazon_bwp", "--duplicates", "0", "--count", "60", *FAST)
    done = simulate(*gateway.options, *arguments)
    assert done.exit_code == 1
    assert re.search(r"payments: (\d+) of \1 are as they must be", done.output)
    assert "wrong: 2 acknowledged events are missing in the store" in done.output
    assert re.search(r"^  missing: stripe evt_\w+$", done.output, re.MULTILINE)
    assert re.search(r"^  missing: amazon_bwp \w+$", done.output, re.MULTILINE)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (common_pb2.EVENT_STATUS_FAILED, "10 acknowledged events failed that were not told to"),
        (common_pb2.EVENT_STATUS_DEAD_LETTER, "10 acknowledged events became dead letters"),
        (common_pb2.EVENT_STATUS_RECEIVED, "10 acknowledged events were not processed in time"),
        (common_pb2.EVENT_STATUS_PROCESSING, "10 acknowledged events were not processed in time"),
        (99, "10 acknowledged events were not processed in time"),
    ],
)
def test_events_that_ended_otherwise_fail_it(
    gateway: FakeGateway, status: common_pb2.EventStatus, message: str
) -> None:
    gateway.statuses["stripe"] = status
    arguments = ("--provider", "stripe", "--count", "10", "--duplicates", "0", "--forged", "0", "--stale", "0", *FAST)
    done = simulate(*gateway.options, *arguments)
    assert done.exit_code == 1
    assert f"wrong: {message}" in done.output


def test_events_that_are_under_way_are_waited_for(gateway: FakeGateway) -> None:
    gateway.slow = 8  # the probe, and seven of the events
    arguments = ("--provider", "stripe", "--count", "10", "--duplicates", "0", "--forged", "0", "--stale", "0", *FAST)
    done = simulate(*gateway.options, *arguments, "--wait", "30")
    assert done.exit_code == 0, done.output
    assert gateway.asked[1:] == [("stripe", 10), ("stripe", 7)]  # what is settled is not asked for again


def test_events_that_wait_for_confirmation_are_no_fault(gateway: FakeGateway) -> None:
    gateway.statuses["oy"] = common_pb2.EVENT_STATUS_UNCONFIRMED
    done = simulate(*gateway.options, "--provider", "oy", "--count", "20", *FAST)
    assert done.exit_code == 0, done.output
    assert "need not be: their events are not applied yet" in done.output


def test_events_are_looked_up_in_batches_of_one_provider(gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    assert event_fates._BATCH == 500  # as many as the processor takes
    monkeypatch.setattr(event_fates, "_BATCH", 20)
    only = ("--duplicates", "0", "--forged", "0")
    done = simulate(*gateway.options, "--provider", "mock", "--provider", "oy", "--count", "130", *only, *FAST)
    assert done.exit_code == 0, done.output
    (probe, *batches) = gateway.asked
    assert probe == ("mock", 1)
    assert {name for name, _ in batches} == {"mock", "oy"}
    assert max(size for _, size in batches) == 20
    assert 100 < sum(size for _, size in batches) == gateway.events


def test_a_processor_that_does_not_answer_is_told_before_anything_is_sent(gateway: FakeGateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = f"127.0.0.1:{listener.getsockname()[1]}"
    done = simulate("--target", gateway.url, "--processor", nobody, "--count", "5", *FAST)
    assert done.exit_code == 1
    assert f"{nobody} does not answer: UNAVAILABLE: " in done.output
    assert "--no-store-check" in done.output
    assert not gateway.received.is_set()
    done = simulate("--target", gateway.url, "--processor", nobody, "--no-store-check", "--count", "5", *FAST)
    assert done.exit_code == 0, done.output
    assert "events: nobody told what became of them" in done.output


def test_a_processor_that_goes_away_fails_it_and_the_rest_is_reported(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise event_fates.NoFatesError("UNAVAILABLE: gone")

    monkeypatch.setattr(event_fates, "find_fates", gone)
    done = simulate(*gateway.options, "--provider", "stripe", "--count", "5", *FAST)
    assert done.exit_code == 1
    assert "does not answer any more: UNAVAILABLE: gone" in done.output
    assert re.search(r"payments: (\d+) of \1 are as they must be", done.output)
    assert "did not tell what became of the events" in done.output


@pytest.mark.parametrize("target", ["processor:50052", "dns:///192.0.2.1:50052", "dns://127.0.0.1/x:1", "127.0.0.1"])
def test_a_processor_that_is_not_this_machine_is_refused(target: str) -> None:
    done = simulate("--processor", target)
    assert done.exit_code == 2
    assert f"--processor: {target} is not this machine; with --allow-remote" in done.output


def test_the_processor_comes_from_the_environment_too(gateway: FakeGateway) -> None:
    environ = {**ENVIRON, "TENRUSL_PROCESSOR_TARGET": gateway.processor}
    done = simulate("--target", gateway.url, "--provider", "mock", "--count", "5", *FAST, environ=environ)
    assert done.exit_code == 0, done.output
    assert gateway.asked


def test_the_count_comes_from_rate_and_duration(gateway: FakeGateway) -> None:
    done = simulate(*gateway.options, "--provider", "mock", "--rate", "100", "--duration", "0.2")
    assert done.exit_code == 0, done.output
    assert re.search(r"^ +mock +20 ", done.output, re.MULTILINE)


def test_what_is_too_late_is_not_sent_and_said_so(gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "_MAX_LATE_SECONDS", -1.0)
    done = simulate(*gateway.options, "--provider", "mock", "--count", "5", *FAST)
    assert done.exit_code == 1
    assert "5 webhooks were not sent" in done.output


@pytest.mark.parametrize(("most", "said"), [(0.0, True), (1e9, False)])
def test_latencies_that_are_our_own_are_said_to_be(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch, most: float, said: bool
) -> None:
    monkeypatch.setattr(sender, "_MAX_SIGNING_SHARE", most)
    done = simulate(*gateway.options, "--provider", "mock", "--count", "5", *FAST)
    assert ("signing takes too long for this --rate" in done.output) is said


def test_credentials_come_from_a_file_too(gateway: FakeGateway, tmp_path: Path) -> None:
    kept = kept_secrets(tmp_path, {}, ["dana", "stripe"])
    gateway.credentials = from_variables(kept, [PROVIDERS["dana"], PROVIDERS["stripe"]])
    arguments = ("--secrets-file", str(tmp_path / FILE_NAME), "--count", "10", *FAST)
    done = simulate(*gateway.options, *arguments, environ={})
    assert done.exit_code == 0, done.output
    assert "without mock: no credentials" in done.output


@pytest.mark.parametrize(
    "target",
    ["http://example.com", "http://192.0.2.1:8080", "https://[2001:db8::1]", "http://127.0.0.1.example.com",
     "http://localhost.example.com", "http://0.0.0.0:1"],
)  # fmt: skip
def test_a_target_that_is_not_this_machine_is_refused(target: str) -> None:
    done = simulate("--target", target)
    assert done.exit_code == 2
    assert "is not this machine; with --allow-remote" in done.output


def test_it_is_used_when_that_is_wanted(gateway: FakeGateway) -> None:
    # Leads to this machine, but does not say so.
    url = gateway.url.replace("127.0.0.1", "0.0.0.0")  # noqa: S104 - nothing is bound to it
    done = simulate(
        "--target", url, "--processor", gateway.processor, "--allow-remote", "--provider", "mock", "--count", "5", *FAST
    )
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--target", "ftp://127.0.0.1"), "must be http://HOST:PORT"),
        (("--target", "http://127.0.0.1:80/path"), "nothing but a scheme"),
        (("--target", "http://user@127.0.0.1"), "nothing but a scheme"),
        (("--target", "http://127.0.0.1:99999"), "Port out of range"),
        (("--count", "1", "--duration", "1"), "either --count or --duration"),
        (("--rate", "1000", "--duration", "3600"), "100000 is the most"),
        (("--count", "0"), "'--count'"),
        (("--count", "100001"), "'--count'"),
        (("--duration", "0"), "'--duration'"),
        (("--failing", "1.1"), "'--failing'"),
        (("--out-of-order", "-0.1"), "'--out-of-order'"),
        (("--wait", "-1"), "'--wait'"),
        (("--rate", "nan"), "'--rate'"),
        (("--rate", "0"), "'--rate'"),
        (("--duration", "nan"), "'--duration'"),
        (("--forged", "nan"), "'--forged'"),
        (("--duplicates", "0.6", "--forged", "0.6"), "not be more than 1 together"),
        (("--provider", "nobody"), "nobody is not one of"),
        (("--provider", "dana"), "dana: no credentials"),
        (("--provider", "stripe", "--failing", "0.5"), "only mock can be told to fail"),
        (("--secrets-file", "/nowhere"), "No such file"),
    ],
)
def test_wrong_usage_is_told(arguments: tuple[str, ...], message: str) -> None:
    done = simulate(*arguments)
    assert done.exit_code == 2
    assert message in done.output


def test_no_credentials_at_all_is_told() -> None:
    done = simulate(environ={})
    assert done.exit_code == 2
    assert "set TENRUSL_WEBHOOK_SECRET_* or give --secrets-file" in done.output


def test_a_target_that_does_not_answer_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    done = simulate("--target", f"http://127.0.0.1:{port}")
    assert done.exit_code == 1
    assert f"http://127.0.0.1:{port} does not answer: " in done.output


def test_ctrl_c_ends_the_sending_and_the_report_is_of_what_was_sent(gateway: FakeGateway) -> None:
    command = [str(Path(sys.executable).with_name("tenrusl")), "simulate", *gateway.options]
    process = subprocess.Popen(
        [*command, "--rate", "20", "--count", "100000"], env=ENVIRON, stdout=subprocess.PIPE, text=True
    )
    try:
        assert gateway.received.wait(30)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, printed
    assert "stopped" in printed
    assert "all is as it must be" in printed
