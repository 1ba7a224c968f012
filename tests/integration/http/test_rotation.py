"""While secrets are rotated, a vector's are good as the current ones and as the next ones."""

import random
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Outcome
from tenrusl.settings import DEFAULT_FIELD, credential_variable
from tenrusl.simulator.keys import simulated_credentials
from tests.integration.http.http_stack import HttpStack
from tests.integration.http.test_vectors import ACCEPTED, assert_is, reply_to
from tests.integration.http.vector_requests import Vector, environ_of, now_of, request_of, vector_id

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NEXT, _FILE = "_NEXT", "_FILE"
_ROTATED_ITSELF = "xendit: second token during rotation"


@cache
def _others(name: str) -> Mapping[str, str]:
    """By variable: values of the same kind, which nothing in the vectors is signed with."""
    provider = PROVIDERS[name]
    made = simulated_credentials(provider, random.Random(5)).fields
    return {
        credential_variable(name, DEFAULT_FIELD if field == provider.secret_field else field, "current"): (
            versions[-1].secret.reveal()
        )
        for field, versions in made.items()
        if field in provider.credential_fields
    }


def _rotated(environ: Mapping[str, str], name: str, good: str) -> dict[str, str]:
    """The same variables with another value beside each. good: which one the vector's become."""
    rotated: dict[str, str] = {}
    for variable, value in environ.items():
        plain = variable.removesuffix(_FILE)
        other = _others(name).get(plain)
        if other is None:  # of no vector the only secret
            rotated[variable] = value
        elif good == "next":
            rotated |= {plain: other, f"{plain}{_NEXT}{variable.removeprefix(plain)}": value}
        else:
            rotated |= {variable: value, plain + _NEXT: other}
    return rotated


@pytest.mark.parametrize("good", ["current", "next"])
@pytest.mark.parametrize("vector", [v for v in ACCEPTED if vector_id(v) != _ROTATED_ITSELF], ids=vector_id)
async def test_a_valid_vector_is_accepted_with_either_secret(
    vector: Vector, good: str, stack: HttpStack, tmp_path: Path
) -> None:
    provider, request = PROVIDERS[vector["provider"]], request_of(vector)
    environ = environ_of(vector, tmp_path)
    rotated = _rotated(environ, provider.name, good)
    assert any(_NEXT in variable for variable in rotated)
    stack.configure(rotated, now_of(vector))
    assert_is(await stack.send(request.encode()), reply_to(request, Outcome.ACCEPTED, provider))
    (event,) = await stack.events()
    assert event.signature_version == good
