"""One arena for all scenarios, one after another. Run by `make chaos`; CHAOS_SEED repeats a run's random choices."""

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tenrusl.local.ports import PortReservations
from tests.chaos.arena import Arena


@pytest.fixture(scope="session")
def seed() -> int:
    """Of everything random in the run."""
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))
    print(f"\nCHAOS_SEED={seed}")
    return seed


@pytest.fixture(scope="session")
def arena(ports: PortReservations, seed: int) -> Iterator[Arena]:
    """Running, and shared: each scenario has to leave it as it found it."""
    folder = Path(tempfile.mkdtemp(prefix="tenrusl-chaos-"))
    arena = Arena(folder, ports, seed)
    try:
        arena.start()
        yield arena
    finally:
        arena.close()
        shutil.rmtree(folder)
