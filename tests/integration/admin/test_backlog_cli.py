"""The commands about the backlog, against a real service."""

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from tenrusl.cli import app
from tenrusl.operators import Role
from tenrusl.store.engine import Engine
from tests.builders import FixedClock, rows
from tests.integration.admin.backlog_stack import KEYS, Stack, texts

# The module; its name in the package is that of its command.
backlog_command = sys.modules["tenrusl.cli.backlog"]


@pytest.fixture
async def stack(engine: Engine) -> AsyncIterator[Stack]:
    stack = Stack(engine, FixedClock())
    async with stack.serving():
        yield stack


async def run(stack: Stack, *arguments: str, role: Role = Role.OPERATOR) -> tuple[int, str]:
    """Exit code and output of a command."""
    result = await invoke(stack, *arguments, role=role)
    return result.exit_code, result.output


async def invoke(stack: Stack, *arguments: str, role: Role = Role.OPERATOR) -> Result:
    """What a command does."""
    environment = {"TENRUSL_ADMIN_KEY": KEYS[role], "TENRUSL_ADMIN_TARGET": stack.target, "COLUMNS": "200"}
    with capture_logs():  # those of the servers, which run in this process, too
        return await asyncio.to_thread(CliRunner().invoke, app, arguments, env=environment)


async def put_waiting(stack: Stack, **columns: Any) -> str:
    """The id of an event that waits for confirmation."""
    return str(await stack.put(status="unconfirmed", unauthenticated_body=True, **columns))


async def lines(stack: Stack, *arguments: str) -> list[Any]:
    """What a command prints with --json."""
    result = await invoke(stack, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


async def test_the_backlog(stack: Stack) -> None:
    await stack.put(minutes=-1)
    await stack.put_dead_letter()
    code, output = await run(stack, "backlog")
    assert code == 0
    assert "1 unfinished, 1 due now since 2026-03-01 11:59:10" in output
    assert "told_to_fail" in output
    found = (await lines(stack, "backlog"))[0]
    assert (found["unfinished"], found["due"], found["providers"][0]["received"]) == (1, 1, 1)


async def test_the_diagnosis_fails_when_something_is_critical(stack: Stack) -> None:
    assert (await run(stack, "backlog", "diagnose"))[0] == 0
    stack.redis_answers_in = None
    code, output = await run(stack, "backlog", "diagnose")
    assert code == 1
    assert "critical" in output
    assert "it does not answer" in output


async def test_events_are_listed_and_shown(stack: Stack) -> None:
    ids = texts([await stack.put(minutes=minutes, payment_ref="pay_1") for minutes in range(3)])
    assert [event["id"] for event in await lines(stack, "events", "list", "--limit", "2")] == [ids[2], ids[1]]
    code, output = await run(stack, "events", "list", "--payment-ref", "pay_1", "--since", "2026-03-01T12:02")
    assert code == 0
    assert ids[2] in output
    assert ids[1] not in output
    code, output = await run(stack, "events", "show", ids[0])
    assert code == 0
    assert "received" in output
    assert "pay_1" in output
    assert (await lines(stack, "events", "show", ids[0]))[0]["event"]["id"] == ids[0]
    assert (await run(stack, "events", "list", "--provider", "stripe")) == (0, "no event matches\n")


async def test_a_list_that_the_limit_cut_says_so_on_stderr(stack: Stack) -> None:
    for minutes in range(3):
        await stack.put(minutes=minutes)
    for arguments, complaint in (
        (["--limit", "2"], "there are more than these 2; --limit takes more\n"),
        (["--limit", "2", "--json"], "there are more than these 2; --limit takes more\n"),
        (["--limit", "3"], ""),
    ):
        result = await invoke(stack, "events", "list", *arguments)
        assert (result.exit_code, result.stderr) == (0, complaint)
        assert len(result.stdout.splitlines()) == (2 if "--json" in arguments else int(arguments[1]) + 1)


async def test_numbers_are_numbers_at_every_depth(stack: Stack) -> None:
    event_id = str(await stack.put(payment_ref="pay_1"))
    (shown,) = await lines(stack, "events", "show", event_id)
    (listed,) = await lines(stack, "events", "list")
    assert shown["event"]["amount_minor"] == listed["amount_minor"] == 1000
    assert shown["payload_bytes"] > 0
    (backlog,) = await lines(stack, "backlog")
    assert backlog["providers"][0]["received"] == backlog["attempts"][0]["events"] == 1


async def test_the_backlog_is_watched_on_when_a_call_fails(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    class Time:
        """Lets no time for the second call, and ends the third wait as Ctrl-C does."""

        waits = 0

        @classmethod
        def sleep(cls, seconds: float) -> None:
            cls.waits += 1
            if cls.waits == 1:
                monkeypatch.setattr(backlog_command, "_CALL_SECONDS", 0.0)
            elif cls.waits == 2:
                monkeypatch.setattr(backlog_command, "_CALL_SECONDS", 30.0)
            else:
                raise KeyboardInterrupt

    monkeypatch.setattr(backlog_command, "time", Time)
    result = await invoke(stack, "backlog", "--watch", "--json")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 2)
    assert "DEADLINE_EXCEEDED" in result.stderr
    Time.waits = 0
    result = await invoke(stack, "backlog", "--watch")
    assert result.exit_code == 0
    assert "0 unfinished" in result.stdout


async def test_a_wrong_key_ends_the_watching(stack: Stack) -> None:
    environment = {"TENRUSL_ADMIN_KEY": "w" * 40, "TENRUSL_ADMIN_TARGET": stack.target}
    with capture_logs():
        result = await asyncio.to_thread(CliRunner().invoke, app, ["backlog", "--watch"], env=environment)
    assert result.exit_code == 1
    assert "UNAUTHENTICATED" in result.stderr


async def test_what_a_provider_wrote_is_shown_as_it_is(stack: Stack) -> None:
    event_id = str(await stack.put(payment_ref="[/red]\x1b[2J"))
    for command in (("events", "list"), ("events", "show", event_id)):
        code, output = await run(stack, *command)
        assert code == 0
        assert "[/red]\ufffd[2J" in output


async def test_a_payload_takes_the_key_of_an_admin(stack: Stack) -> None:
    event_id = str(await stack.put(document={"a": 1}))
    assert await run(stack, "events", "payload", event_id, role=Role.ADMIN) == (0, '{"a": 1}')
    code, output = await run(stack, "events", "payload", event_id, "--json", role=Role.ADMIN)
    shown = json.loads(output)
    assert (code, shown["event_id"], shown["body_text"]) == (0, event_id, '{"a": 1}')
    assert base64.b64decode(shown["body"]) == b'{"a": 1}'
    code, output = await run(stack, "events", "payload", event_id)
    assert code == 1
    assert "PERMISSION_DENIED" in output


async def test_a_replay(stack: Stack, engine: Engine) -> None:
    await stack.put(status="failed")
    failed = ("events", "replay", "--status", "failed")
    assert await run(stack, *failed, "--dry-run") == (0, "1 events match\n")
    assert await run(stack, *failed) == (0, "1 events, 1 processed\n")
    assert await run(stack, *failed) == (0, "0 events, 0 processed\n")
    assert await rows(engine, "SELECT status FROM webhook_events") == [("processed",)]


async def test_dead_letters(stack: Stack, engine: Engine) -> None:
    ids = texts([await stack.put_dead_letter(minutes=minutes) for minutes in range(3)])
    found = await lines(stack, "dead-letters", "list", "--failure-code", "told_to_fail")
    assert [event["id"] for event in found] == ids[::-1]
    assert await run(stack, "dead-letters", "discard", ids[0], "--reason", "test shop") == (0, "1 discarded\n")
    assert await run(stack, "dead-letters", "requeue", ids[0], ids[1]) == (1, "1 requeued, 1 skipped\n")
    assert await run(stack, "dead-letters", "requeue", "--all", "--dry-run") == (0, "1 would be requeued\n")
    assert (await lines(stack, "dead-letters", "requeue", "--all"))[0]["requeued"] == 1
    found_statuses = await rows(engine, "SELECT status FROM webhook_events ORDER BY id")
    assert found_statuses == [("discarded",), ("received",), ("received",)]


async def test_events_that_wait_for_confirmation(stack: Stack, engine: Engine) -> None:
    ids = [
        await put_waiting(stack, provider="xendit", minutes=minutes, payment_ref=f"pay_{minutes}")
        for minutes in range(3)
    ]
    listed = ("events", "unconfirmed", "--provider", "xendit")
    assert [event["id"] for event in await lines(stack, *listed)] == ids
    code, output = await run(stack, *listed, "--limit", "1", role=Role.VIEWER)
    assert code == 0
    assert ids[0] in output
    assert ids[1] not in output
    assert "there are more than these 1" in output
    assert await run(stack, "events", "confirm", ids[0]) == (0, "1 processed\n")
    skipped = f"{ids[0]}  skipped: it does not wait for confirmation\n"
    assert await run(stack, "events", "confirm", *ids[:2]) == (1, f"1 processed\n{skipped}")
    assert await run(stack, "events", "refute", ids[2], ids[0]) == (1, f"1 refuted\n{skipped}")
    assert await run(stack, *listed) == (0, "no event waits for confirmation\n")
    found = await rows(engine, "SELECT status, confirmed_by, failure_message FROM webhook_events ORDER BY id")
    assert found == [("processed", "olga", None), ("processed", "olga", None), ("dead_letter", None, "refuted by olga")]


async def test_a_confirmed_event_that_fails_is_told(stack: Stack) -> None:
    event_id = await put_waiting(stack, document={"directives": {"fail_first": 5}})
    code, output = await run(stack, "events", "confirm", event_id)
    assert code == 1
    assert output.splitlines()[0] == "0 processed"
    assert f"{event_id}  confirmed, and failed" in output


async def test_confirming_and_refuting_take_the_key_of_an_operator(stack: Stack, engine: Engine) -> None:
    event_id = await put_waiting(stack, provider="xendit")
    for command in ("confirm", "refute"):
        code, output = await run(stack, "events", command, event_id, role=Role.VIEWER)
        assert code == 1
        assert "PERMISSION_DENIED" in output
    assert await rows(engine, "SELECT status FROM webhook_events") == [("unconfirmed",)]
    assert await rows(engine, "SELECT number FROM audit_log") == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("events", "replay"),
        ("events", "replay", "x", "--provider", "mock"),
        ("events", "list", "--status", "lost"),
        ("dead-letters", "requeue"),
        ("dead-letters", "requeue", "x", "--all"),
        ("dead-letters", "discard", "x"),
        ("events", "confirm"),
        ("events", "confirm", "nonsense"),
        ("events", "refute", "nonsense"),
    ],
)
async def test_wrong_arguments(stack: Stack, arguments: tuple[str, ...]) -> None:
    assert (await run(stack, *arguments))[0] == 2
