"""Services are killed, frozen and restarted under load."""

import signal
import time

import pytest

from tenrusl.local.addresses import SERVICES
from tests.chaos.arena import Arena

FROZEN_SECONDS = 2.0


@pytest.mark.parametrize("name", [*SERVICES, "gateway-2", "scheduler-2"])
def test_one_is_killed(arena: Arena, name: str) -> None:
    with arena.load() as sender:
        arena.kill(name)
        arena.wait(lambda: arena.stack.process(name).running, f"{name} runs")
    arena.judge(sender)


def test_all_are_killed_at_once(arena: Arena) -> None:
    with arena.load() as sender:
        arena.kill(*arena.services)
    arena.judge(sender)


def test_they_are_killed_again_and_again_at_random(arena: Arena) -> None:
    with arena.load() as sender:
        for _ in range(6):
            arena.kill(arena.rng.choice(arena.services))
            arena.wait(lambda: all(arena.stack.process(name).running for name in arena.services), "all run")
            time.sleep(arena.rng.random())  # what it is in the middle of then is part of the chance
    arena.judge(sender)


@pytest.mark.parametrize("name", SERVICES)
def test_one_is_frozen_and_goes_on(arena: Arena, name: str) -> None:
    with arena.load() as sender:
        arena.stack.process(name).signal(signal.SIGSTOP)
        try:
            time.sleep(FROZEN_SECONDS)  # the fault is that time passes
        finally:
            arena.stack.process(name).signal(signal.SIGCONT)
    arena.judge(sender)


def test_a_processor_is_frozen_beyond_its_leases(arena: Arena) -> None:
    """What it held is done by the schedule's next call meanwhile or afterwards, and never twice."""
    with arena.load() as sender:
        arena.stack.process("processor").signal(signal.SIGSTOP)
        try:
            time.sleep(arena.stack.settings.processing_lease.total_seconds() + 1)  # as above
        finally:
            arena.stack.process("processor").signal(signal.SIGCONT)
    arena.judge(sender)


def test_a_rolling_restart(arena: Arena) -> None:
    with arena.load() as sender:
        for name in arena.services:
            arena.stack.process(name).stop(arena.stack.settings.drain_timeout.total_seconds())
            arena.stack.restart(name)
    arena.judge(sender)


def test_the_clock_of_the_services_is_moved(arena: Arena) -> None:
    skew = arena.stack.folder / "skew"
    with arena.load() as sender:
        for seconds in ("-3600", "7200", "0"):
            skew.write_text(seconds)
            arena.steady()
    arena.judge(sender)
