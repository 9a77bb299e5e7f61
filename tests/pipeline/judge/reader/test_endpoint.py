"""Requests to a real server: good, slow, broken, huge, busy and hostile answers."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.judge.reader.chat import ReaderAnswer
from pipeline.judge.reader.endpoint import ANSWER_BYTES, Endpoint, NoAnswerError
from pipeline.settings import ReaderSettings
from tests.pipeline.judge.reader.model import ASKED_LABELS, completion, said, settings_of
from tests.pipeline.review.delivery.receiver import ReceivingApp, Reply, receiving
from tests.ports import free_port

MESSAGES = [{"role": "system", "content": "task"}, {"role": "user", "content": "data"}]


@pytest.fixture
def server() -> Iterator[ReceivingApp]:
    with receiving() as made:
        yield made


def ask(settings: ReaderSettings) -> ReaderAnswer:
    async def once() -> ReaderAnswer:
        endpoint = Endpoint(settings)
        try:
            return await endpoint.ask(MESSAGES, ASKED_LABELS)
        finally:
            await endpoint.close()

    return asyncio.run(once())


def refusal(settings: ReaderSettings) -> NoAnswerError:
    with pytest.raises(NoAnswerError) as caught:
        ask(settings)
    return caught.value


def test_a_request_is_a_chat_completion(server: ReceivingApp) -> None:
    server.answer = lambda got: said({"abuse": 0.8}, "implied")
    found = ask(settings_of(server.url + "/", api_key="sk-secret"))
    assert found == ReaderAnswer({"abuse": 0.8}, "implied")
    [got] = server.got
    assert got.path == "/hook/chat/completions"
    assert got.headers["authorization"] == "Bearer sk-secret"
    assert got.headers["content-type"] == "application/json"
    assert got.event == {
        "model": "small-llm",
        "messages": MESSAGES,
        "temperature": 0,
        "max_tokens": 200,
        "response_format": {"type": "json_object"},
    }


def test_a_request_can_be_changed(server: ReceivingApp) -> None:
    server.answer = lambda got: said({})
    extra: dict[str, Any] = {
        "max_tokens": None,
        "max_completion_tokens": 300,
        "temperature": None,
        "reasoning": {"a": 1},
    }
    ask(settings_of(server.url, response_format="json_schema", extra=extra))
    ask(settings_of(server.url, response_format="text"))
    schema, text = (got.event for got in server.got)
    assert schema["response_format"]["json_schema"]["schema"]["properties"]["scores"]["required"] == list(ASKED_LABELS)
    assert schema.keys() == {"model", "messages", "response_format", "max_completion_tokens", "reasoning"}
    assert "response_format" not in text
    assert "authorization" not in server.got[0].headers


@pytest.mark.parametrize(
    ("reply", "fault", "down"),
    [
        (Reply(200, body=b"<html>"), "unreadable", False),
        (Reply(200, body=completion("I am sorry")), "unreadable", False),
        (
            Reply(200, body=completion('{"scores": {"abuse": 0}, "manner": "none"}') + b" " * ANSWER_BYTES),
            "unreadable",
            False,
        ),
        (Reply(500), "refused", True),
        (Reply(401), "refused", True),
        (Reply(404), "refused", True),
        (Reply(307), "refused", True),
        (Reply(204), "refused", True),
        (Reply(400), "refused", False),
        (Reply(422), "refused", False),
        (Reply(429), "limited", True),
    ],
)
def test_an_answer_that_is_no_use_has_a_name(server: ReceivingApp, reply: Reply, fault: str, down: bool) -> None:
    server.answer = lambda got: reply
    error = refusal(settings_of(server.url))
    assert (error.fault, error.down, error.wait) == (fault, down, 0)
    assert len(server.got) == 1


def test_a_busy_server_names_a_pause(server: ReceivingApp) -> None:
    server.answer = lambda got: Reply(429, retry_after="17")
    assert refusal(settings_of(server.url)).wait == 17
    server.answer = lambda got: Reply(503, retry_after="99999999")
    assert refusal(settings_of(server.url)).wait == 3_600


@pytest.mark.parametrize("reply", [Reply(hang=True), Reply(drops=True)])
def test_a_slow_answer_is_given_up(server: ReceivingApp, reply: Reply) -> None:
    server.answer = lambda got: reply
    assert refusal(settings_of(server.url, seconds=0.3)).fault == "late"


def test_a_server_that_is_away_fails() -> None:
    assert refusal(settings_of(f"http://127.0.0.1:{free_port()}/v1")).fault == "failed"


def test_a_server_that_hangs_up_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(30)

        async def both() -> None:
            endpoint = Endpoint(settings_of(f"http://127.0.0.1:{listening.getsockname()[1]}/v1"))
            asked = asyncio.create_task(endpoint.ask(MESSAGES, ASKED_LABELS))
            connection, _ = await asyncio.to_thread(listening.accept)
            connection.close()
            try:
                await asked
            finally:
                await endpoint.close()

        with pytest.raises(NoAnswerError) as caught:
            asyncio.run(both())
    assert caught.value.fault == "failed"


def test_plain_http_never_goes_to_a_public_address(server: ReceivingApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the settings leads to a public address one day. The resolver is replaced: there is no network."""

    async def resolve(*_: object, **__: object) -> list[Any]:
        return [(2, 1, 6, "", ("127.0.0.1", 80)), (2, 1, 6, "", ("8.8.8.8", 80))]

    async def ask_named() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        endpoint = Endpoint(settings_of(f"http://reader.internal:{server.server_port}/v1"))
        try:
            await endpoint.ask(MESSAGES, ASKED_LABELS)
        finally:
            await endpoint.close()

    with pytest.raises(NoAnswerError, match="public address") as caught:
        asyncio.run(ask_named())
    assert caught.value.fault == "refused"
    assert server.got == []


def test_no_error_repeats_the_key_the_question_or_the_answer(server: ReceivingApp) -> None:
    for body in (completion("SPOKEN"), b"SPOKEN"):
        server.answer = lambda got, body=body: Reply(200, body=body)  # type: ignore[misc]
        text = str(refusal(settings_of(server.url, api_key="sk-secret")))
        assert not any(word in text for word in ("SPOKEN", "sk-secret", "data"))
