"""The gateway process."""

import asyncio
import sys

from prometheus_client import CollectorRegistry

from services.gateway.answers import ProviderAnswers
from services.gateway.bootstrap import build
from services.gateway.server import build_server, listen, serve_until_stopped
from tenrusl.provider_loading import load_providers
from tenrusl.rpc.process import run
from tenrusl.settings import Settings


async def serve(settings: Settings, registry: CollectorRegistry) -> None:
    """Serves until SIGTERM or SIGINT; then requests under way are finished."""
    listener = listen(settings.gateway_listen)
    answers = {
        name: ProviderAnswers(
            replies=provider.replies, methods=provider.methods, takes_path_tail=provider.takes_path_tail
        )
        for name, provider in load_providers(settings).items()
    }
    gateway = build(settings, registry, answers)
    server = build_server(gateway.app, settings.drain_timeout.total_seconds(), gateway.takes_whole)
    try:
        # A background task that fails ends the process, and its supervisor starts a new one.
        async with asyncio.TaskGroup() as group:
            background = group.create_task(gateway.keep_limits())
            await serve_until_stopped(
                server,
                listener,
                on_stop=gateway.health.begin_drain,
                drain_delay_seconds=settings.drain_delay.total_seconds(),
            )
            background.cancel()
    finally:
        await gateway.close()


if __name__ == "__main__":
    sys.exit(run("gateway", lambda settings: settings.gateway_metrics, serve))
