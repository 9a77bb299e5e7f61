"""Random requests that the OpenAPI document allows or forbids. Each answer is one that the document describes."""

from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from tests.pipeline.connect.api.conftest import DECIDE, MODERATE, RunningApi
from tests.pipeline.console.test_fuzz import Operation, nobody

pytestmark = pytest.mark.weights

EXAMPLES = 8

NOT_OURS: list[Any] = [checks.positive_data_acceptance, checks.negative_data_rejection]
"""Checks that cannot hold: a valid file need not be a recording, and a large body is refused before it is read."""


def operations(api: RunningApi) -> list[Operation]:
    document = requests.get(f"{api.url}/openapi.json", timeout=30, proxies={"http": ""}).json()
    del document["paths"]["/v1/verdicts"]  # its answer does not end by itself
    found = list(schemathesis.openapi.from_dict(document).get_all_operations())
    assert all(isinstance(one, Ok) for one in found)
    return [one.ok() for one in found if isinstance(one, Ok)]


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_as_documented(api: RunningApi, mode: GenerationMode) -> None:
    attacked = 0
    for operation in operations(api):
        attacked += attack(api, operation, mode)
    assert attacked >= 5


def attack(api: RunningApi, operation: Operation, mode: GenerationMode) -> bool:
    """Send random requests. Return False if there are none: a request without parameters cannot be invalid."""
    sender = nobody()
    sender.headers["Authorization"] = f"Bearer {DECIDE if 'cases' in operation.path else MODERATE}"

    @examples(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(operation.as_strategy(generation_mode=mode))
    def send(case: Case[Operation]) -> None:
        answer = case.call(base_url=api.url, session=sender, allow_redirects=False)
        case.validate_response(answer, excluded_checks=NOT_OURS)

    try:
        send()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, operation.label
        return False
    return True
