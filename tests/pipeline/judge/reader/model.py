"""A server that speaks the protocol of chat completions, and answers as a test says."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.settings import ReaderSettings
from tests.pipeline.review.delivery.receiver import Got, Reply

ASKED_LABELS = ("abuse", "violence", "sexual")


def completion(text: str) -> bytes:
    """Return the body of a completion whose message is `text`, with the fields that servers send beside it."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    made = {"id": "chatcmpl-1", "object": "chat.completion", "model": "m", "choices": [choice], "usage": {}}
    return json.dumps(made).encode()


def said(scores: Mapping[str, float], manner: str = "direct") -> Reply:
    """Return an answer with these scores, in the fixed form."""
    return Reply(200, body=completion(json.dumps({"scores": dict(scores), "manner": manner})))


def asked(got: Got) -> dict[str, Any]:
    """Return the data of a request: what the model is asked to judge."""
    found: dict[str, Any] = json.loads(got.event["messages"][1]["content"])
    return found


def by_word(scores: Mapping[str, Mapping[str, float]]) -> Callable[[Got], Reply]:
    """Return a model that gives an utterance the scores of the first word that is in it, or none."""

    def answer(got: Got) -> Reply:
        text = asked(got)["text"]
        return said(next((found for word, found in scores.items() if word in text), {}))

    return answer


def settings_of(url: str, **changes: Any) -> ReaderSettings:
    """Return settings for a server of the test. A busy machine gets the longest time for an answer."""
    given = {"url": url, "model": "small-llm", "plain_http": True, "seconds": 10.0, "per_minute": 600}
    return ReaderSettings.model_validate(given | changes)
