"""Whatever is asked of the running gateway, it answers as docs/openapi.yaml says."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from tests.e2e.conftest import World

_DOCUMENT = yaml.safe_load((Path(__file__).parents[2] / "docs" / "openapi.yaml").read_text(encoding="utf-8"))
_SCHEMA = schemathesis.openapi.from_dict(_DOCUMENT)
_OPERATIONS = [result.ok() for result in _SCHEMA.get_all_operations()]
# Without a parameter there is nothing that could be wrong.
_CASES = [
    pytest.param(operation, mode, id=f"{operation.label} {mode}")
    for operation in _OPERATIONS
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or "parameters" in str(operation.definition.raw) or "{" in operation.path
]
EXAMPLES = 25
CONFORMANCE = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.mark.parametrize(("operation", "mode"), _CASES)
def test_every_answer_is_as_described(
    operation: schemathesis.APIOperation, mode: GenerationMode, world: World, session: requests.Session
) -> None:
    key = {"X-Admin-Key": world.stack.settings.admin_key.reveal()} if "admin" in operation.path else {}

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def conforms(case: schemathesis.Case) -> None:
        case.headers.update(key)
        response = case.call(base_url=world.stack.gateway_url, session=session, timeout=30)
        case.validate_response(response, checks=CONFORMANCE)

    conforms()
