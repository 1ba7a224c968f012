"""PostgreSQL and Redis crash, freeze, forget and refuse under load."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
import redis

from tenrusl.local.ports import PortReservations
from tests.chaos.arena import Arena

FAULT_SECONDS = 2.0
STORM_THREADS = 4


def test_postgresql_crashes_and_recovers(arena: Arena) -> None:
    postgres = arena.stack.postgres
    assert postgres is not None
    with arena.load() as sender:
        for _ in range(2):
            postgres.kill()  # an immediate shutdown: nothing is written any more
            arena.wait(lambda: postgres.process.running, "PostgreSQL runs")
            arena.steady()
    arena.judge(sender)


def test_postgresql_is_away_for_a_while(arena: Arena) -> None:
    postgres = arena.stack.postgres
    assert postgres is not None
    with arena.load() as sender:
        arena.hold(postgres.process.name)
        postgres.kill()
        time.sleep(FAULT_SECONDS)  # the fault is that time passes
        arena.let_go(postgres.process.name)
    arena.judge(sender)


def test_postgresql_is_frozen(arena: Arena) -> None:
    with arena.load() as sender:
        pids = arena.session_pids()
        assert pids, "no service has a session"
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(FAULT_SECONDS)  # as above
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
    arena.judge(sender)


def test_sessions_are_cut_in_the_middle_of_transactions(arena: Arena) -> None:
    with arena.load() as sender:
        for _ in range(10):
            arena.wait(lambda: arena.cut_sessions() > 0, "there are sessions to cut")
            time.sleep(arena.rng.random() / 3)  # the moment of a cut is chance
    arena.judge(sender)


def test_tables_are_locked_by_others(arena: Arena) -> None:
    """A migration gone wrong: exclusive locks of the hottest tables, again and again, in changing order."""
    ends = threading.Event()

    def storm(number: int) -> None:
        tables = ["webhook_events", "payments", "payment_transitions", "webhook_payloads"]
        tables = tables[number:] + tables[:number]
        while not ends.is_set():
            with suppress(psycopg.Error), psycopg.connect(arena.url) as connection:  # deadlocks are part of it
                for table in tables[:2]:
                    connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
                ends.wait(0.2)
            ends.wait(0.2)

    threads = [threading.Thread(target=storm, args=(number,)) for number in range(STORM_THREADS)]
    with arena.load() as sender:
        for thread in threads:
            thread.start()
        try:
            time.sleep(2 * FAULT_SECONDS)  # as above
        finally:
            ends.set()
            for thread in threads:
                thread.join()
    arena.judge(sender)


def test_redis_is_killed_flushed_frozen_and_full(arena: Arena) -> None:
    valkey = arena.stack.valkey
    assert valkey is not None
    with arena.load() as sender:
        valkey.kill()
        arena.wait(lambda: valkey.process.running, "Redis runs")
        arena.steady()
        valkey.flush()
        valkey.process.signal(signal.SIGSTOP)
        try:
            arena.steady()  # webhooks are accepted without Redis
        finally:
            valkey.process.signal(signal.SIGCONT)
        with redis.Redis.from_url(valkey.url) as client:
            client.config_set("maxmemory", "1")
            client.config_set("maxmemory-policy", "noeviction")
            arena.steady()
            client.config_set("maxmemory", "0")
    arena.judge(sender)


@contextmanager
def small_volume(size: str) -> Iterator[Path]:
    """A file system of its own that soon is full."""
    folder = Path(tempfile.mkdtemp(prefix="tenrusl-chaos-volume-"))
    subprocess.run(["/usr/bin/mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["/usr/bin/umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount the small volume that is to be full")
def test_the_volume_of_the_database_is_full(ports: PortReservations, seed: int) -> None:
    with small_volume("600m") as folder:
        arena = Arena(folder / "stack", ports, seed)
        try:
            arena.start()
            with arena.load() as sender:
                filler = folder / "filler"
                with suppress(OSError), filler.open("wb") as file:
                    while True:
                        file.write(bytes(1024 * 1024))
                time.sleep(FAULT_SECONDS)  # the fault is that time passes
                filler.unlink()
            arena.judge(sender)
        finally:
            arena.close()
            shutil.rmtree(folder / "stack", ignore_errors=True)  # a folder of a volume that goes anyway
