"""A limit: starlette that reads the webhook and answers 200. It verifies nothing and stores nothing."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def answer(request: Request) -> JSONResponse:
    """What any ASGI application does at least."""
    await request.body()
    return JSONResponse({"status": "ok"})


def asgi() -> Starlette:
    """The web application, for `uvicorn --factory`."""
    return Starlette(
        routes=[Route("/webhooks/stripe", answer, methods=["POST"]), Route("/health", answer, methods=["GET"])]
    )
