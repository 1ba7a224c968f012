"""A secret is rotated from the command line while all processes run."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from tenrusl.local.keyring import ADMIN_KEY_FILE_NAME
from tenrusl.payments import PaymentStatus
from tests.e2e.conftest import SECRETS, World

NEW = "rotated-secret-of-stripe"
_TENRUSL = Path(sys.executable).with_name("tenrusl")


def secrets(world: World, *arguments: str, secret: str = "") -> tuple[int, str]:
    """Exit status and stdout of `tenrusl secrets`, with a secret on its stdin."""
    environment = {
        **os.environ,
        "TENRUSL_ADMIN_TARGET": world.stack.target("admin"),
        "TENRUSL_ADMIN_KEY_FILE": str(world.stack.folder / ADMIN_KEY_FILE_NAME),
    }
    done = subprocess.run(
        [_TENRUSL, "secrets", *arguments],
        env=environment,
        input=secret,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert NEW not in done.stdout + done.stderr
    return done.returncode, done.stdout


def status_with(world: World, secret: str) -> int:
    """The HTTP status of the answer to a new webhook."""
    body = world.body("stripe", f"ref-{uuid4().hex[:12]}", PaymentStatus.SUCCEEDED)
    return world.send("stripe", body, secret=secret).status_code


def begin(world: World) -> bool:
    """Whether a rotation has begun: not before ingress has said what its environment holds."""
    arguments = ("rotate", "begin", "stripe", "--reason", "yearly", "--owner", "payments")
    return secrets(world, *arguments, secret=NEW)[0] == 0


def test_a_rotation_reaches_ingress_and_outlives_it(world: World) -> None:
    old = SECRETS["stripe"]
    assert (status_with(world, old), status_with(world, NEW)) == (200, 401)
    world.wait(lambda: begin(world))
    world.wait(lambda: status_with(world, NEW) == 200)
    assert status_with(world, old) == 200
    world.wait(lambda: "the old secret has matched" in secrets(world, "rotate", "status", "stripe")[1])
    assert secrets(world, "rotate", "complete", "stripe")[0] == 1
    assert world.stack.valkey is not None
    world.stack.valkey.stop()  # ingress finds out by asking the database
    assert secrets(world, "rotate", "complete", "stripe", "--force") == (0, "v2 is the only one that is accepted\n")
    world.wait(lambda: status_with(world, old) == 401)
    assert status_with(world, NEW) == 200
    world.stack.valkey.start()
    world.stack.process("ingress").kill()
    world.stack.restart("ingress")
    world.wait(lambda: status_with(world, NEW) == 200)  # the gateway connects anew
    assert status_with(world, old) == 401
    for service in ("ingress", "admin"):
        logs = (world.stack.folder / "logs" / f"{service}.log").read_text()
        assert NEW not in logs
        assert old not in logs
