"""How the pools of connections are used, and how long it takes."""

from functools import partial

from prometheus_client import CollectorRegistry, Gauge, Histogram
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from tenrusl.store.engine import Engine

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class PoolMetrics:
    """Of the two pools of an engine: autocommit and transaction. One per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._connections = Gauge(
            "tenrusl_db_pool_connections",
            "Connections to the database in use, by pool",
            ["pool"],
            registry=registry,
        )
        self._size = Gauge(
            "tenrusl_db_pool_max_connections", "Connections that a pool may have", ["pool"], registry=registry
        )
        self._wait = Histogram(
            "tenrusl_db_connection_wait_seconds",
            "Until a connection of the pool was free, or nobody waited any more; a new connection's making included",
            ["pool"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._use = Histogram(
            "tenrusl_db_connection_use_seconds",
            "From taking a connection to giving it back: one or a few statements, and the commit",
            ["pool"],
            buckets=_SECONDS,
            registry=registry,
        )

    def watch(self, engine: Engine) -> None:
        """Tells of this engine from now on. Its pools are replaced after an outage, so they are asked for anew."""
        for name, pool in (("autocommit", engine.autocommitting), ("transaction", engine.transactional)):
            self._connections.labels(name).set_function(partial(_in_use, pool))
            self._size.labels(name).set_function(partial(_size, pool))
        waits = {name: self._wait.labels(name) for name in ("autocommit", "transaction")}
        uses = {name: self._use.labels(name) for name in ("autocommit", "transaction")}

        def observe(pool: str, waited_seconds: float, used_seconds: float | None) -> None:
            waits[pool].observe(waited_seconds)
            if used_seconds is not None:
                uses[pool].observe(used_seconds)

        engine.observe_use = observe


# Both only read numbers, so any thread may ask.
def _in_use(engine: AsyncEngine) -> float:
    return _queue(engine).checkedout()


def _size(engine: AsyncEngine) -> float:
    return _queue(engine).size()


def _queue(engine: AsyncEngine) -> QueuePool:
    assert isinstance(engine.pool, QueuePool), "build_engine makes no others"
    return engine.pool
