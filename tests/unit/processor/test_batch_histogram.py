"""The batch histogram says what the client library's own would."""

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from services.processor.batch_histogram import BatchHistogram

VALUES = [0.0, 0.004, 0.005, 0.0051, 1.0, 2.5, 21600.0, 21600.5]


def text_of(registry: CollectorRegistry) -> list[str]:
    """Without when each series began, which only the library's own tells."""
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]


@pytest.mark.parametrize("label", ["", "status"])
@pytest.mark.parametrize("values", [[], VALUES])
def test_it_shows_what_the_library_would_show(label: str, values: list[float]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    buckets = (0.005, 1, 2.5, 21600)
    batch = BatchHistogram("seconds", "Help", buckets=buckets, registry=ours, label=label)
    library = Histogram("seconds", "Help", (label,) if label else (), buckets=buckets, registry=theirs)
    for name in ("a", "b") if label else ("",):
        batch.observe(values[:3], name)
        batch.observe(values[3:], name)
        cell = library.labels(name) if label else library
        for value in values:
            cell.observe(value)
    assert text_of(ours) == text_of(theirs)


def test_a_name_is_taken_once() -> None:
    registry = CollectorRegistry()
    BatchHistogram("seconds", "Help", buckets=(1,), registry=registry)
    with pytest.raises(ValueError, match="Duplicated"):
        Histogram("seconds", "Help", registry=registry)
