"""Whatever is asked of the running gateway, it answers as docs/openapi.yaml says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CheckFunction
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from tests.e2e.conftest import World

_DOCUMENT = yaml.safe_load((Path(__file__).parents[2] / "docs" / "openapi.yaml").read_text(encoding="utf-8"))
_SCHEMA = schemathesis.openapi.from_dict(_DOCUMENT)
_OPERATIONS = [result.ok() for result in _SCHEMA.get_all_operations() if isinstance(result, Ok)]
# Without a parameter there is nothing that could be wrong.
_CASES = [
    pytest.param(operation, mode, id=f"{operation.label} {mode}")
    for operation in _OPERATIONS
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or "parameters" in str(operation.definition.raw) or "{" in operation.path
]
Case = schemathesis.Case[Any]
Operation = schemathesis.APIOperation[Any, Any, Any, Any]
# Of each operation and mode.
EXAMPLES = 20
CHECKS = [
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


def test_no_operation_is_left_out() -> None:
    described = [method for item in _DOCUMENT["paths"].values() for method in item if method != "parameters"]
    assert len(_OPERATIONS) == len(described)


def ask(world: World, session: requests.Session, case: Case, *more: CheckFunction) -> None:
    """Sends a case, by an operator's hand where it needs one, and compares the answer with the description."""
    if "/admin/" in case.operation.path:
        case.headers["X-Admin-Key"] = world.stack.settings.admin_key.reveal()
    response = case.call(base_url=world.stack.gateway_url, session=session, timeout=30)
    case.validate_response(response, checks=[*CHECKS, *more])


@pytest.mark.parametrize(("operation", "mode"), _CASES)
def test_every_answer_is_as_described(
    operation: Operation, mode: GenerationMode, world: World, session: requests.Session
) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # a failing answer is shown as it is; making it smaller takes minutes
        suppress_health_check=list(HealthCheck),
    )
    def conforms(case: Case) -> None:
        ask(world, session, case)

    conforms()


@pytest.mark.parametrize("operation", _OPERATIONS, ids=lambda operation: operation.label)
def test_every_answer_at_a_limit_or_beyond_it_is_as_described(
    operation: Operation, world: World, session: requests.Session
) -> None:
    config = _SCHEMA.config.generation_for(operation=operation)
    cases = list(
        _SCHEMA.iter_coverage_cases(operation, generation_modes=list(GenerationMode), generation_config=config)
    )
    assert cases
    for case in cases:
        # Not of random ones: an empty object in a query is sent as nothing, and an operator's key is always there.
        ask(world, session, case, checks.negative_data_rejection)
