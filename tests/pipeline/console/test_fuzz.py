"""Random requests that the OpenAPI document allows or forbids. No answer is a 5xx, and most need a session."""

from collections.abc import Sequence
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.core.result import Ok

from pipeline.console.console_app import create_app
from pipeline.console.guard import COOKIE, HEADER
from pipeline.console.services import open_services
from pipeline.settings import Settings
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console

pytestmark = pytest.mark.full  # every endpoint with what its schema allows

STREAM = "/queue/live"
"""This answer does not end by itself."""
EXAMPLES = 5
"""Requests for each operation and mode. More of them make the test longer."""
Operation = APIOperation[Any, Any, Any, Any]
OPEN = {"/login", "/login/oidc", "/login/oidc/back", "/healthz", "/readyz"}


def operations(console: Console) -> list[Operation]:
    document = create_app(open_services(Settings(), console.database)).openapi()
    del document["paths"][STREAM]
    found = list(schemathesis.openapi.from_dict(document).get_all_operations())
    assert all(isinstance(one, Ok) for one in found)
    return [one.ok() for one in found if isinstance(one, Ok)]


def nobody() -> requests.Session:
    """Return an HTTP session without a sign-in. It stores no cookies and does not look for proxies."""
    session = requests.Session()
    session.trust_env = False
    session.headers.clear()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    return session


def signed_in(console: Console, name: str) -> requests.Session:
    session, token = nobody(), console.cookie(name)
    session.headers.update({HEADER: console.csrf(token), "cookie": f"{COOKIE}={token}"})
    return session


def attack(console: Console, operation: Operation, mode: GenerationMode, senders: Sequence[requests.Session]) -> bool:
    """Send random requests. Return False if there are none: a request without parameters cannot be invalid."""

    @examples(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(operation.as_strategy(generation_mode=mode))
    def send(case: Case[Operation]) -> None:
        for session in senders:
            check(operation, case, console.url, session)

    try:
        send()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, operation.label
        return False
    return True


def check(operation: Operation, case: Case[Operation], url: str, session: requests.Session) -> None:
    answer = case.call(base_url=url, session=session, allow_redirects=False)
    assert answer.status_code < 500, f"{operation.label}: {answer.text[:200]}"
    if "cookie" not in session.headers and operation.path not in OPEN:
        # The shield refuses a large body (413) or query (414) before the guard asks who sends it.
        assert answer.status_code in {400, 401, 403, 405, 413, 414, 422}, operation.label


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_breaks_the_console(console: Console, mode: GenerationMode) -> None:
    """An admin, an auditor and a client without a session send each request, because generating it is the slow part."""
    console.store.add([flag(str(n), n * 10, n * 10 + 5) for n in range(3)], NOON)
    attacked = 0
    for operation in operations(console):
        # Sign in again each time, because one operation signs out.
        attacked += attack(console, operation, mode, [signed_in(console, "ada"), signed_in(console, "aud"), nobody()])
    assert attacked > 20
