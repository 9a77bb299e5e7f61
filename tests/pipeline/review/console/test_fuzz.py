"""Whatever the OpenAPI document allows, and much that it forbids: never a 5xx, and nothing for nobody."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from schemathesis import GenerationMode

from pipeline.review.console.app import create_app, open_desk
from pipeline.review.console.guard import COOKIE, HEADER
from pipeline.settings import Settings
from tests.pipeline.review.builders import NOON, flag
from tests.pipeline.review.console.conftest import Console

STREAM = "/queue/live"
"""Does not end by itself."""
EXAMPLES = 12
"""Of each operation and mode; more with a longer test."""
OPEN = {"/login", "/login/oidc", "/login/oidc/back", "/healthz"}


def operations(console: Console) -> list[Any]:
    document = create_app(open_desk(Settings(), console.database)).openapi()
    del document["paths"][STREAM]
    found: Any = schemathesis.openapi.from_dict(document).get_all_operations()
    return [each.ok() for each in found]


def attack(console: Console, operation: Any, mode: GenerationMode, headers: dict[str, str]) -> None:
    @examples(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        answer = case.call(base_url=console.url, headers=headers, allow_redirects=False)
        assert answer.status_code < 500, f"{operation.label}: {answer.text[:200]}"
        if not headers and operation.path not in OPEN:
            assert answer.status_code in {401, 403, 405, 414, 422}, operation.label

    send()


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("name", ["ada", "aud", ""])
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_nothing_breaks_it(console: Console, name: str, mode: GenerationMode) -> None:
    console.store.add([flag(str(n), n * 10, n * 10 + 5) for n in range(3)], NOON)
    for operation in operations(console):
        # Signed in again each time: one of the operations signs out.
        token = console.cookie(name) if name else ""
        headers = {HEADER: console.csrf(token), "cookie": f"{COOKIE}={token}"} if name else {}
        attack(console, operation, mode, headers)
