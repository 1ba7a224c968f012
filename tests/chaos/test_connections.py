"""The connections between the services are cut, refused and slowed under load."""

import time

import pytest

from tests.chaos.arena import Arena
from tests.tcp_proxy import TcpProxy

CUTS = 8
REFUSED_SECONDS = 2.0


def proxy(arena: Arena, name: str) -> TcpProxy:
    return {"ingress": arena.to_ingress, "processor": arena.to_processor, "gateway": arena.balancer}[name]


@pytest.mark.parametrize("name", ["ingress", "processor", "gateway"])
def test_they_are_cut_again_and_again(arena: Arena, name: str) -> None:
    with arena.load() as sender:
        for _ in range(CUTS):
            proxy(arena, name).cut()
            time.sleep(arena.rng.random() / 2)  # the moment of a cut is chance
    arena.judge(sender)


@pytest.mark.parametrize("name", ["ingress", "processor"])
def test_none_is_taken_for_a_while(arena: Arena, name: str) -> None:
    with arena.load() as sender, proxy(arena, name).refusing():
        time.sleep(REFUSED_SECONDS)  # the fault is that time passes
    arena.judge(sender)


@pytest.mark.parametrize("name", ["ingress", "processor"])
def test_they_are_slow(arena: Arena, name: str) -> None:
    with arena.load() as sender:
        proxy(arena, name).delay_seconds = 0.3
        try:
            arena.steady()
        finally:
            proxy(arena, name).delay_seconds = 0.0
    arena.judge(sender)
