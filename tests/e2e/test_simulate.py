"""`tenrusl simulate` notices what a store loses, event by event."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.e2e.conftest import World

# A store that forgets what it has committed.
LOSE = """
    CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        DELETE FROM webhook_events WHERE id = NEW.id;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER lose AFTER INSERT ON webhook_events DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.provider = 'amazon_bwp') EXECUTE FUNCTION lose();
"""
KEEP = "DROP TRIGGER lose ON webhook_events; DROP FUNCTION lose();"


def simulate(world: World, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("tenrusl")), "simulate", "--target", world.stack.gateway_url]
    return subprocess.run(
        [*command, "--secrets-file", str(world.stack.folder / "secrets.env"), "--rate", "100", *options],
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def forgetful(world: World) -> Iterator[World]:
    """The stack, whose store loses the events of Amazon."""
    assert world.stack.postgres is not None
    url = world.stack.postgres.url(world.stack.settings.db_database).replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(LOSE)
        yield world
        connection.execute(KEEP)


def test_an_acknowledged_event_that_is_lost_fails_it_though_it_moves_no_payment(forgetful: World) -> None:
    options = ("--processor", forgetful.stack.target("processor"), "--provider", "amazon_bwp", "--provider", "paypal")
    done = simulate(forgetful, *options, "--count", "30", "--duplicates", "0", "--forged", "0")
    assert done.returncode == 1, done.stdout + done.stderr
    (acked,) = re.findall(r"^ +amazon_bwp +(\d+) +0 +0 +0 +0 +0 +\1 +0 *$", done.stdout, re.MULTILINE)
    assert int(acked) > 0
    assert f"wrong: {acked} acknowledged events are missing in the store" in done.stdout
    assert len(re.findall(r"^  missing: amazon_bwp \w{32}$", done.stdout, re.MULTILINE)) == min(10, int(acked))
    assert len(re.findall(r"^wrong: ", done.stdout, re.MULTILINE)) == 1


def test_a_store_that_keeps_everything_passes(world: World) -> None:
    options = ("--processor", world.stack.target("processor"), "--provider", "amazon_bwp", "--provider", "paypal")
    done = simulate(world, *options, "--count", "30")
    assert done.returncode == 0, done.stdout + done.stderr
