"""What all processes print in a full run: enough to find a webhook by, and nothing that is secret."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import psycopg
import pytest

from tenrusl.clock import SystemClock
from tenrusl.local.ports import PortReservations
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.simulator.keys import forgers_credentials
from tenrusl.simulator.traffic import Delivery, Mix, Traffic
from tests.e2e.conftest import SECRETS, World, running_world

NEW_SECRET = "whsec_the-secret-that-stripe-rotates-to"
WRONG_KEY = "an-operators-key-that-nobody-has-given-out"
VIEWER_KEY = "the-key-of-a-viewer-who-only-looks-on"
PATH_TOKEN, QUERY_TOKEN = "token-in-the-path-of-an-address", "token-in-the-query-of-an-address"
CANARY = "somebody-who-pays@example.com"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SERVICES = ("gateway", "ingress", "processor", "scheduler", "admin")
# Of requests: they tell no secret, or where a public key is.
_OPEN_HEADERS = {"content-type", "user-agent", "paypal-cert-url", "paypal-transmission-id", "webhook-id"}
_MIN_NEEDLE = 12
# Of a body no 80 characters in a row may appear. Less could be an event's id or a payment's reference.
_SLICE = 40
_REFUSE = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'payment refused';
    END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON payments
    FOR EACH ROW WHEN (NEW.payment_ref = 'refused-by-the-database') EXECUTE FUNCTION refuse();
    """


class Run:
    """What was done, and what must not be printed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.needles: set[str] = {NEW_SECRET, WRONG_KEY, VIEWER_KEY, PATH_TOKEN, QUERY_TOKEN, CANARY, *SECRETS.values()}
        self.bodies: set[str] = set()
        self.printed = ""  # by the commands of the operator

    def send_all_kinds(self) -> None:
        """Of every provider genuine ones, each twice, and forged ones."""
        signers, rng, clock = self.world.stack.signers, random.Random(), SystemClock()
        assert set(signers) == set(PROVIDERS)
        for name, genuine in signers.items():
            for mix, credentials in ((Mix(failing=0.5), genuine), (Mix(), self._forger(name, rng))):
                traffic = Traffic({name: credentials}, mix, run=f"{rng.getrandbits(48):x}", rng=rng)
                deliveries = [traffic.next(clock.now()) for _ in range(3)]
                statuses = [self._deliver(delivery) for delivery in deliveries for _ in range(2)]
                if credentials is genuine:
                    assert set(statuses) <= {200, 202, 204}, (name, statuses)

    def _forger(self, name: str, rng: random.Random) -> Any:
        return forgers_credentials(PROVIDERS[name], self.world.stack.signers[name], rng)

    def _deliver(self, delivery: Delivery) -> int:
        request = delivery.request
        self.note(request.body, request.headers, request.target)
        answer = self.world.http.request(
            request.method, request.target, headers=dict(request.headers), content=request.body
        )
        return answer.status_code

    def note(self, body: bytes, headers: Any, target: str) -> None:
        """Nothing of this request may be printed."""
        self.bodies.add(body.decode())
        query = urlsplit(target).query
        self.bodies |= {query, unquote(query)}
        values = [value for name, value in headers.items() if name.lower() not in _OPEN_HEADERS]
        values += [value for name, value in parse_qsl(query) if "hash" in name.lower() or "sign" in name.lower()]
        self.needles |= {value for value in values if len(value) >= 20}

    def send(self, provider: str, ref: str, *, secret: str | None = None, **extra: Any) -> int:
        """One of mock, stripe, xendit and midtrans."""
        body = self.world.body(provider, ref, PaymentStatus.SUCCEEDED, customer_email=CANARY, **extra)
        answer = self.world.send(
            provider, body, secret=secret, traceparent=f"00-{TRACE_ID}-b7ad6b7169203331-01", **{"X-Request-ID": ref}
        )
        request = answer.request
        self.note(body, {k: v for k, v in request.headers.items() if k.endswith("signature")}, "")
        return answer.status_code

    def operate(self, command: str, *, secret: str = "", codes: tuple[int, ...] = (0,), **environ: str) -> str:
        """Runs `tenrusl …` and keeps what it prints."""
        targets = {
            f"TENRUSL_{service.upper()}_TARGET": f"dns:///{self.world.stack.target(service)}"
            for service in ("admin", "scheduler", "processor")
        }
        done = subprocess.run(
            [str(Path(sys.executable).with_name("tenrusl")), *command.split()],
            env={
                "PATH": os.environ["PATH"],
                "TENRUSL_ADMIN_KEY_FILE": str(self.world.stack.folder / "admin.key"),
                **targets,
                **environ,
            },
            input=secret, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode in codes, (command, done.stdout, done.stderr)
        self.printed += done.stderr
        return done.stdout

    def logs(self) -> dict[str, str]:
        """By name what each process has printed, the servers and the migration too."""
        folder = self.world.stack.folder
        return {path.stem: path.read_text(errors="replace") for path in folder.rglob("*.log*")}

    def lines(self, service: str) -> list[dict[str, Any]]:
        """The JSON lines of a service: log lines have an `event`, spans a `name`."""
        return [json.loads(line) for line in self.logs()[service].splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def full_run(ports: PortReservations) -> Iterator[Run]:
    """Everything that this product does once, also under failures, with logs in JSON and spans beside them."""
    settings = {
        "OTEL_TRACES_EXPORTER": "console",
        "TENRUSL_RETRY_MAX_ATTEMPTS": "2",
        "TENRUSL_RETRY_BASE_SECONDS": "0.01",
        "TENRUSL_ADMIN_DEMO_KEY": VIEWER_KEY,
    }
    with running_world(ports, **settings) as world:
        run = Run(world)
        run.needles |= secrets_of(world)
        _webhooks(run)
        _rotation(run)
        _operators(run)
        _failures(run)
        for service in SERVICES:
            world.stack.process(service).stop(10.0)
        yield run


def secrets_of(world: World) -> set[str]:
    """All that the stack's processes are given: APP_KEY, operators' keys, passwords, providers' credentials."""
    stack = world.stack
    assert stack.postgres is not None
    assert stack.valkey is not None
    settings = stack.settings
    found = {settings.app_key.reveal().removeprefix("base64:"), settings.admin_key.reveal()}
    urls = (stack.postgres.url("x"), stack.postgres.url("x", user="postgres"), stack.valkey.url)
    found |= {str(urlsplit(url).password) for url in urls}
    for name, credentials in stack.signers.items():
        about = PROVIDERS[name].about
        assert about is not None
        for field, versions in credentials.fields.items():
            if "private" in field or (field in about.credentials and about.credentials[field].secret):
                found |= {line for version in versions for line in version.secret.reveal().splitlines()}
    return {text for text in found if len(text) >= _MIN_NEEDLE and not text.startswith("-----")}


def _webhooks(run: Run) -> None:
    run.send_all_kinds()
    assert run.send("stripe", "ref-accepted") == 200
    assert run.send("stripe", "ref-forged", secret="a-secret-of-a-forger") == 401
    assert run.send("mock", "ref-failing", directives={"fail_first": 2}) == 202
    for path in (f"payoneer/{PATH_TOKEN}?token={QUERY_TOKEN}", f"nobody/{PATH_TOKEN}", f"{PATH_TOKEN}?{QUERY_TOKEN}"):
        headers = {"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01", "tracestate": f"malformed {QUERY_TOKEN}"}
        run.world.http.post(f"/api/webhooks/{path}", content=b"{}", headers=headers)
    run.world.http.post(f"/api/webhook/{PATH_TOKEN}", content=b"{}")
    run.world.wait(lambda: run.world.status("stripe", "ref-accepted") == "succeeded")


def _rotation(run: Run) -> None:
    begin = "secrets rotate begin stripe --reason yearly --owner payments"
    run.world.wait(lambda: run.operate(begin, secret=NEW_SECRET, codes=(0, 1)) != "")
    run.world.wait(lambda: run.send("stripe", "ref-rotated", secret=NEW_SECRET) == 200)
    run.operate("secrets rotate complete stripe --force")
    run.operate("secrets list --provider stripe")


def _operators(run: Run) -> None:
    sql = "SELECT id::text FROM webhook_events WHERE payment_ref = 'ref-failing' AND status = 'dead_letter'"
    run.world.wait(lambda: len(run.world.rows(sql)) == 1)
    event_id = str(run.world.rows(sql)[0][0])
    for command in (
        "webhooks retry --limit=100", f"events replay {event_id}", f"incident capture {event_id}",
        f"events payload {event_id}", f"events show {event_id}", "rejected list stripe",
        "rejected reverify stripe --reason again", "throttle set mock 1000 --reason flood",
        "throttle clear mock --reason over", "backlog", "report daily", "audit verify",
    ):  # fmt: skip
        run.operate(command)
    run.operate("audit list", codes=(1,), TENRUSL_ADMIN_KEY_FILE="", TENRUSL_ADMIN_KEY=WRONG_KEY)
    for key in (WRONG_KEY, VIEWER_KEY):
        run.world.http.get("/api/v1/admin/payments", headers={"X-Admin-Key": key})
    payment = {"provider": "mock", "payment_ref": "ref-announced", "amount_minor": 100, "currency": "IDR"}
    run.world.http.post("/api/v1/payments", json=payment, headers={"Idempotency-Key": "key-1"}).raise_for_status()


def _failures(run: Run) -> None:
    stack = run.world.stack
    assert stack.postgres is not None
    assert stack.valkey is not None
    url = stack.postgres.url(stack.settings.db_database).replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(url) as connection:
        connection.execute(_REFUSE)
    assert run.send("stripe", "refused-by-the-database", secret=NEW_SECRET) == 200
    run.world.wait(lambda: any(line.get("event") == "cannot apply" for line in run.lines("processor")))
    stack.process("processor").kill()
    assert run.send("mock", "ref-without-processor") == 202
    stack.restart("processor")
    stack.valkey.kill()
    assert run.send("mock", "ref-without-redis") == 202
    stack.valkey.start()
    stack.postgres.kill()
    assert run.send("mock", "ref-without-database") == 503
    stack.postgres.start()
    run.world.wait(lambda: run.send("mock", "ref-after-all") in (200, 202))
    stack.process("ingress").kill()
    assert run.send("mock", "ref-without-ingress") == 503
    stack.restart("ingress")
    run.world.wait(lambda: run.send("mock", "ref-at-last") in (200, 202))


def test_nothing_secret_is_printed(full_run: Run) -> None:
    printed = {**full_run.logs(), "commands": full_run.printed}
    assert {*SERVICES, "migration", "postgres"} <= set(printed)
    assert len(full_run.needles) > 200
    needles = {form for needle in full_run.needles for form in _forms(needle)}
    assert not [(name, needle) for name, text in printed.items() for needle in needles if needle in text]


def test_no_part_of_a_payload_is_printed(full_run: Run) -> None:
    assert len(full_run.bodies) > 100
    slices = {
        form[start : start + _SLICE]
        for body in full_run.bodies
        for form in _forms(body)
        for start in range(0, len(form) - _SLICE, _SLICE)
    }
    printed = {**full_run.logs(), "commands": full_run.printed}
    assert not [(name, part) for name, text in printed.items() for part in slices if part in text]


def _forms(text: str) -> set[str]:
    """As it is, and as a line of JSON has it."""
    return {text, json.dumps(text)[1:-1]}


def test_lines_about_webhooks_name_them(full_run: Run) -> None:
    rejected = [line for line in full_run.lines("gateway") if line.get("event") == "webhook rejected"]
    assert {line["provider"] for line in rejected} > set(SECRETS)
    assert "ref-forged" in [line["request_id"] for line in rejected]
    (accepted,) = [line for line in full_run.lines("gateway") if line.get("request_ids") == ["ref-accepted"]]
    assert accepted["trace_id"] == TRACE_ID
    refused = [line for line in full_run.lines("processor") if line.get("event") == "cannot apply"]
    sql = "SELECT id::text FROM webhook_events WHERE payment_ref = 'refused-by-the-database'"
    assert refused[0]["event_ids"] == [str(full_run.world.rows(sql)[0][0])]
    for service in SERVICES:
        lines = [line for line in full_run.lines(service) if "event" in line]
        assert lines
        assert {line["service"] for line in lines} == {service}


def test_one_trace_goes_through_all_processes(full_run: Run) -> None:
    def spans(service: str, request_id: str) -> list[dict[str, Any]]:
        found = [line for line in full_run.lines(service) if "context" in line]
        return [span for span in found if span["attributes"].get("tenrusl.request_id") == request_id]

    (http,), (accepted,) = spans("gateway", "ref-accepted"), spans("ingress", "ref-accepted")
    assert http["context"]["trace_id"] == accepted["context"]["trace_id"] == f"0x{TRACE_ID}"
    assert http["attributes"]["tenrusl.outcome"] == accepted["attributes"]["tenrusl.outcome"] == "accepted"
    processed = [line for line in full_run.lines("processor") if line.get("name") == "process events"]
    links = [link["context"]["span_id"] for span in processed for link in span["links"]]
    assert accepted["context"]["span_id"] in links
