"""Each answer has the id of its request, and so has each line of the log that the request leads to."""

import io
import logging
import time
from collections.abc import Iterator

import pytest

from pipeline.base.logs import LineFormatter
from pipeline.judge import text_transcripts
from tests.pipeline.connect.api.conftest import RunningApi
from tests.pipeline.connect.api.test_moderations_endpoint import AT, upload

pytestmark = pytest.mark.weights


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The lines of the log, as the commands write them."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(LineFormatter())
    logging.getLogger().addHandler(handler)
    yield written
    logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize("given", ["ticket-42", "a" * 64])
def test_the_id_of_a_request_comes_back(api: RunningApi, given: str) -> None:
    with api.client() as client:
        assert client.get("/v1/audio/moderations/0", headers={"x-request-id": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "two words", "a" * 65, "forged]"])
def test_another_id_is_made(api: RunningApi, given: str) -> None:
    with api.client(token=None) as client:
        answers = [client.get("/v1/cases", headers={"x-request-id": given}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [401, 401]
    first, second = (answer.headers["x-request-id"] for answer in answers)
    assert first != second
    assert {len(first), len(second)} == {32}


def test_the_log_names_the_request(api: RunningApi, log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        logging.getLogger("pipeline.judge").warning("judging")
        raise ZeroDivisionError

    monkeypatch.setattr(text_transcripts, "judge_texts", broken)
    with api.client() as client:
        answer = client.post("/v1/moderations", json={"input": "hello"}, headers={"x-request-id": "ticket-42"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "ticket-42")
    # The server logs the error after its answer.
    while log.getvalue().count("[request ticket-42]") < 2:
        time.sleep(0.01)
    assert "pipeline.judge: judging [request ticket-42]" in log.getvalue()
    assert "ZeroDivisionError" in log.getvalue()


def test_each_recording_of_a_program_names_its_own_request(
    api: RunningApi, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("pipeline.speech.asr.transcribe_stage.load_recogniser", broken)
    with api.client() as client:
        for number in "12":
            assert client.post(AT, files=upload(), headers={"x-request-id": number}).status_code == 400
    lines = [line for line in log.getvalue().splitlines() if "a recording raised" in line]
    assert [line[-len("[request 1]") :] for line in lines] == ["[request 1]", "[request 2]"]
