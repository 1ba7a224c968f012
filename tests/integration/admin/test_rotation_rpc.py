"""Rotations through real gRPC and the command line: roles, errors, and no secret anywhere."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from grpc import aio
from prometheus_client import CollectorRegistry

from services.admin.roles import ROLES
from services.admin.rotate import Rotations
from services.admin.rotation_servicer import RotationServicer
from tenrusl.api.admin.v1 import rotation_pb2, rotation_pb2_grpc
from tenrusl.crypto import SecretCipher
from tenrusl.errors import Reason
from tenrusl.operators import OperatorKeys, Role, key_of
from tenrusl.providers import PROVIDERS
from tenrusl.rpc.channel import build_channel
from tenrusl.rpc.errors import reason_of, violations_of
from tenrusl.rpc.operators import ADMIN_KEY, Failures, with_operator
from tenrusl.rpc.process import always_ready
from tenrusl.rpc.server import RpcServer
from tenrusl.secret import Secret
from tenrusl.settings import Address, Settings
from tenrusl.store.engine import Engine, transaction
from tenrusl.store.signature_counts import EnvironmentSecret, Matches, add_matches, report
from tests.builders import AUDIT_KEYS, START, FixedClock, rows

ADMIN, OPERATOR, VIEWER = "a" * 40, "o" * 40, "v" * 40
KEYS = OperatorKeys(
    [
        key_of("ada", Role.ADMIN, Secret(ADMIN)),
        key_of("olga", Role.OPERATOR, Secret(OPERATOR)),
        key_of("vera", Role.VIEWER, Secret(VIEWER)),
    ]
)
SERVICE = "tenrusl.api.admin.v1.RotationService"
CIPHER = SecretCipher(bytes(32))
NEW = "the-new-mock-secret"
STORED = ("signing_secrets", "audit_log", "environment_secrets", "signature_matches", "ingress_reports")
_TENRUSL = str(Path(sys.executable).with_name("tenrusl"))
Code = grpc.StatusCode


@pytest.fixture
async def address(engine: Engine, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """An admin that serves rotations; an ingress has reported a secret of mock. The parameter is the quiet time."""

    async def notify() -> None:
        pass

    quiet = getattr(request, "param", timedelta(0))
    rotations = Rotations(
        engine=engine,
        providers=PROVIDERS,
        cipher=CIPHER,
        audit_keys=AUDIT_KEYS,
        notify=notify,
        clock=FixedClock(),
        quiet=quiet,
    )
    server = RpcServer(
        name="admin",
        listen=Address("127.0.0.1", 0),
        settings=Settings(app_key=Secret("base64:" + "A" * 43 + "=")),
        registry=CollectorRegistry(),
        ready=always_ready,
        steps=(with_operator(KEYS, ROLES, Failures()),),
    )
    server.add(rotation_pb2_grpc.add_RotationServiceServicer_to_server, RotationServicer(rotations), SERVICE)
    port = await server.start()
    await ingress_reports(engine, revision=1)
    yield f"dns:///127.0.0.1:{port}"
    await server.stop(0)


async def ingress_reports(engine: Engine, *, revision: int, matched: str = "") -> None:
    """What an ingress with one secret in its environment writes."""
    fingerprint = CIPHER.fingerprint(Secret("the-old-mock-secret"), provider="mock", field="secret")
    secret = EnvironmentSecret("mock", "secret", "current", fingerprint)
    async with transaction(engine) as connection:
        await report(connection, "ingress-1", [secret], revision=revision, now=START)
        if matched:
            await add_matches(connection, {("mock", matched): Matches(7, START)})


async def call(address: str, method: str, key: str, **fields: Any) -> Any:
    """The answer, or the error."""
    request = getattr(rotation_pb2, f"{method}Request")(**fields)
    async with build_channel(address, metadata=((ADMIN_KEY, key),)) as channel:
        try:
            return await getattr(rotation_pb2_grpc.RotationServiceStub(channel), method)(request, timeout=10)
        except aio.AioRpcError as exc:
            return exc


def begin(secret: str = NEW, **changes: str) -> dict[str, str]:
    return {"provider": "mock", "secret": secret, "owner": "payments", "reason": "yearly", **changes}


async def test_changing_takes_an_admin_and_looking_a_viewer(address: str) -> None:
    for method in ("BeginRotation", "CompleteRotation", "AbortRotation", "RevokeSecret"):
        for key in (OPERATOR, VIEWER):
            assert (await call(address, method, key, provider="mock")).code() is Code.PERMISSION_DENIED
    assert len((await call(address, "ListSecretVersions", VIEWER)).versions) == 1
    refused = await call(address, "GetRotation", VIEWER, provider="mock")
    assert (refused.code(), reason_of(refused)) == (Code.FAILED_PRECONDITION, Reason.ROTATION_NOT_OPEN)


async def test_a_second_rotation_and_a_wrong_secret_have_their_own_errors(address: str) -> None:
    for secret in ("", "short", "the-old-mock-secret"):
        refused = await call(address, "BeginRotation", ADMIN, **begin(secret))
        assert refused.code() is Code.INVALID_ARGUMENT
        assert [violation.field for violation in violations_of(refused)] == ["secret"]
    assert (await call(address, "BeginRotation", ADMIN, **begin())).version.version == "v2"
    refused = await call(address, "BeginRotation", ADMIN, **begin("another-mock-secret"))
    assert (refused.code(), reason_of(refused)) == (Code.FAILED_PRECONDITION, Reason.ROTATION_OPEN)
    refused = await call(address, "CompleteRotation", ADMIN, provider="mock")
    assert (refused.code(), reason_of(refused)) == (Code.FAILED_PRECONDITION, Reason.ROTATION_NOT_SAFE)


async def test_no_secret_is_answered_logged_or_stored_in_the_clear(address: str, engine: Engine) -> None:
    with structlog.testing.capture_logs() as logs:
        answers = [
            await call(address, "BeginRotation", ADMIN, **begin()),
            await call(address, "BeginRotation", ADMIN, **begin()),
            await call(address, "GetRotation", ADMIN, provider="mock"),
            await call(address, "ListSecretVersions", ADMIN),
            await call(address, "CompleteRotation", ADMIN, provider="mock", force=True),
            await call(address, "BeginRotation", ADMIN, **begin()),
        ]
    stored = [await rows(engine, f"SELECT {table}::text FROM {table}") for table in STORED]
    assert len(stored[0]) == 2
    for text in (repr(answers), repr(logs), repr(stored)):
        assert NEW not in text
        assert NEW.encode().hex() not in text


async def tenrusl(address: str, *arguments: str, secret: str | bytes = "", key: str = ADMIN) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of the command, with `secret` on its stdin."""
    environment = {**os.environ, "TENRUSL_ADMIN_KEY": key, "TENRUSL_ADMIN_TARGET": address}
    done = await asyncio.to_thread(
        subprocess.run,
        [_TENRUSL, "secrets", *arguments],
        env=environment,
        input=secret if isinstance(secret, bytes) else secret.encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


async def test_a_rotation_from_the_command_line(address: str, engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(NEW + "\n")
    assert await tenrusl(address, "rotate", "status", "mock") == (
        1,
        "",
        f"{address}: FAILED_PRECONDITION: no rotation of this secret is open\n",
    )
    reason = "see [/ops] ticket, [bold]x[/bold]"
    arguments = ("rotate", "begin", "mock", "--reason", reason, "--secret-file", str(file))
    assert await tenrusl(address, *arguments) == (0, "v2 is accepted beside v1; now set it at mock\n", "")
    status, out, _ = await tenrusl(address, "rotate", "status", "mock", key=VIEWER)
    assert status == 3
    assert "the new secret has never matched" in out
    assert reason in out
    assert (await tenrusl(address, "rotate", "complete", "mock"))[0] == 1
    await ingress_reports(engine, revision=2, matched="v2")
    status, out, _ = await tenrusl(address, "rotate", "status", "mock")
    assert (status, out.splitlines()[-1]) == (0, "safe to complete")
    status, out, err = await tenrusl(address, "rotate", "complete", "mock")
    assert (status, out) == (0, "v2 is the only one that is accepted\n")
    assert err.startswith("v1 is still in the environment of ingress")
    status, out, _ = await tenrusl(address, "list", "--json")
    versions = [json.loads(line) for line in out.splitlines()]
    assert [(item["version"], item["status"]) for item in versions] == [
        ("v1", "SECRET_STATUS_RETIRED"),
        ("v2", "SECRET_STATUS_CURRENT"),
    ]


async def test_a_secret_from_stdin_is_taken_back_and_revoked(address: str) -> None:
    begin_arguments = ("rotate", "begin", "mock", "--reason", "yearly", "--owner", "payments")
    assert (await tenrusl(address, *begin_arguments, secret=NEW + "\n"))[0] == 0
    assert await tenrusl(address, "rotate", "abort", "mock") == (0, "v2 is not accepted any more\n", "")
    assert (await tenrusl(address, *begin_arguments, "--secret-file", "-", secret=NEW))[0] == 0
    status, out, err = await tenrusl(address, "revoke", "mock", "v1", "--reason", "leaked")
    assert (status, out) == (0, "v1 is refused\n")
    assert "remove it" in err
    status, _, err = await tenrusl(address, "revoke", "mock", "v3", "--reason", "leaked")
    assert status == 1
    assert "only accepted version" in err
    assert (await tenrusl(address, "revoke", "mock", "v3", "--reason", "leaked", "--leave-none"))[0] == 0


async def test_an_empty_secret_or_a_file_that_is_not_there_ends_with_one_line(address: str, tmp_path: Path) -> None:
    arguments = ("rotate", "begin", "mock", "--reason", "yearly")
    assert await tenrusl(address, *arguments, secret="\n") == (2, "", "secret: must not be empty\n")
    missing = str(tmp_path / "none")
    assert await tenrusl(address, *arguments, "--secret-file", missing) == (
        1,
        "",
        "cannot read the secret: FileNotFoundError\n",
    )


async def test_a_secret_that_is_no_text_ends_with_one_line(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("rotate", "begin", "mock", "--reason", "yearly")
    for locale in ("C.UTF-8", "C"):  # in the latter Python takes any bytes on stdin
        monkeypatch.setenv("LC_ALL", locale)
        found = await tenrusl(address, *arguments, secret=b"secret-\xff\xfe-secret\n")
        assert found == (1, "", "cannot read the secret: UnicodeDecodeError\n")
    status, out, err = await tenrusl(address, *arguments, secret=NEW, key="key\nof two lines")
    assert (status, out, err) == (1, "", "TENRUSL_ADMIN_KEY: must be one line of printable ASCII characters\n")


@pytest.mark.parametrize("address", [timedelta(seconds=39.5)], indirect=True)
async def test_it_is_told_how_long_to_wait(address: str) -> None:
    await call(address, "BeginRotation", ADMIN, **begin())
    status, out, _ = await tenrusl(address, "rotate", "status", "mock")
    assert status == 3
    assert "began too short a time ago; 40 s to go (TENRUSL_ROTATION_QUIET_SECONDS)" in out
