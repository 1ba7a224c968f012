"""GET /openapi.json: docs/openapi.yaml, read once at start."""

import json
from pathlib import Path

import yaml
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_HERE = Path(__file__).parent
# In a wheel it lies beside this module (pyproject.toml copies it there), in the repository in docs/.
_PLACES = (_HERE / "openapi.yaml", _HERE.parents[1] / "docs" / "openapi.yaml")


class OpenApi:
    """Serves the description of the HTTP API. Raises FileNotFoundError when it is not installed."""

    def __init__(self) -> None:
        place = next((place for place in _PLACES if place.is_file()), _PLACES[-1])
        self._body = json.dumps(yaml.safe_load(place.read_text(encoding="utf-8"))).encode()

    def routes(self) -> list[Route]:
        return [Route("/openapi.json", self.openapi, methods=["GET"])]

    async def openapi(self, request: Request) -> Response:
        """The description as JSON."""
        return Response(self._body, media_type="application/json")
