"""The admin process: health only, until it has work of its own."""

import sys

from prometheus_client import CollectorRegistry

from tenrusl.rpc.process import always_ready, run
from tenrusl.rpc.server import RpcServer
from tenrusl.settings import Settings


async def serve(settings: Settings, registry: CollectorRegistry) -> None:
    """Serves until SIGTERM or SIGINT."""
    server = RpcServer(
        name="admin",
        listen=settings.admin_listen,
        settings=settings,
        registry=registry,
        ready=always_ready,
    )
    await server.run()


if __name__ == "__main__":
    sys.exit(run("admin", lambda settings: settings.admin_metrics, serve))
