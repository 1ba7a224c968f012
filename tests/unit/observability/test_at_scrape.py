"""Metrics that are asked for at a scrape."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric

from tenrusl.errors import Reason, UnavailableError
from tenrusl.observability import at_scrape
from tenrusl.observability.at_scrape import MAX_AGE_SECONDS, AtScrape

NAME = "tenrusl_test_events"


def families() -> list[Metric]:
    return [GaugeMetricFamily(NAME, "events")]


class Told:
    """A database that answers with what a test sets, and seconds that pass when it says so."""

    def __init__(self) -> None:
        self.value = 1.0
        self.error: Exception | None = None
        self.hangs = False
        self.asked = 0
        self.now = 100.0
        self.registry = CollectorRegistry()

    async def ask(self) -> Sequence[Metric]:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return [GaugeMetricFamily(NAME, "events", value=self.value)]

    async def scraped(self) -> float | None:
        return await asyncio.to_thread(self.registry.get_sample_value, NAME)


@pytest.fixture
async def told() -> Told:
    told = Told()
    collector = AtScrape(families, told.ask, loop=asyncio.get_running_loop(), monotonic=lambda: told.now)
    told.registry.register(collector)
    return told


async def test_nobody_is_asked_before_a_scrape(told: Told) -> None:
    assert told.asked == 0
    assert await told.scraped() == 1


async def test_a_figure_counts_for_five_seconds(told: Told) -> None:
    await told.scraped()
    told.value = 2
    told.now += MAX_AGE_SECONDS - 0.1
    assert await told.scraped() == 1
    told.now += 0.1
    assert await told.scraped() == 2
    assert told.asked == 2


def unavailable(told: Told) -> None:
    told.error = UnavailableError(Reason.DATABASE_UNAVAILABLE, "away")


def hanging(told: Told) -> None:
    told.hangs = True


@pytest.mark.parametrize("break_it", [unavailable, hanging])
async def test_what_nobody_can_tell_is_missing_until_it_is_told_again(
    told: Told, break_it: Callable[[Told], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    await told.scraped()
    monkeypatch.setattr(at_scrape, "TIMEOUT_SECONDS", 0.05)
    break_it(told)
    told.now += MAX_AGE_SECONDS
    assert await told.scraped() is None
    monkeypatch.undo()
    told.error, told.hangs = None, False
    told.now += MAX_AGE_SECONDS
    assert await told.scraped() == 1


def test_a_process_that_ends_tells_nothing() -> None:
    told, loop = Told(), asyncio.new_event_loop()
    loop.close()
    told.registry.register(AtScrape(families, told.ask, loop=loop))
    assert told.registry.get_sample_value(NAME) is None


async def test_the_registry_knows_the_names_without_asking(told: Told) -> None:
    with pytest.raises(ValueError, match="Duplicated"):
        told.registry.register(AtScrape(families, told.ask, loop=asyncio.get_running_loop()))
    assert told.asked == 0
