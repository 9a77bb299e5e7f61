"""Texts over HTTP, by plain requests and by OpenAI's own client."""

import re
import time

import pytest
from openai import AuthenticationError, BadRequestError, DefaultHttpxClient, OpenAI, PermissionDeniedError

from pipeline.connect.api.moderation_answers import CATEGORIES
from tests.pipeline.connect.api.conftest import CASES, MODERATE, RunningApi

pytestmark = pytest.mark.weights

ABUSE = "shut up, you worthless idiot"


def openai(api: RunningApi, token: str = MODERATE) -> OpenAI:
    return OpenAI(
        base_url=f"{api.url}/v1", api_key=token, max_retries=0, http_client=DefaultHttpxClient(trust_env=False)
    )


def test_the_client_of_openai_reads_the_answer(api: RunningApi) -> None:
    with openai(api) as client:
        answer = client.moderations.create(input=["well played", ABUSE], model="omni-moderation-latest")
    assert answer.id.startswith("modr-")
    clean, abuse = answer.results
    assert (clean.flagged, abuse.flagged) == (False, True)
    assert abuse.categories.harassment
    assert not clean.categories.harassment
    assert abuse.category_scores.harassment > 0.5 > clean.category_scores.harassment
    assert set(abuse.categories.to_dict()) == set(abuse.category_scores.to_dict()) == set(CATEGORIES)
    assert abuse.category_applied_input_types.harassment == ["text"]


def test_the_client_of_openai_lists_the_models(api: RunningApi) -> None:
    with openai(api) as client:
        classifier, recogniser = client.models.list().data
        answer = client.moderations.create(input="well played")
    assert answer.model == classifier.id
    assert re.fullmatch(r"[\w-]+/.+@[0-9a-f]{8}", recogniser.id)
    assert 0 <= time.time() - classifier.created < 86_400


def test_our_fields_stand_beside_theirs(api: RunningApi) -> None:
    with api.client() as client:
        answer = client.post("/v1/moderations", json={"input": ABUSE}).json()
    [result] = answer["results"]
    assert (result["suggestion"], result["flagged_labels"], result["language"]) == ("review", ["abuse"], "en")
    assert result["labels"]["abuse"] == result["category_scores"]["harassment"]
    assert 0.9 < result["risk"] <= 1
    assert result["reasons"]
    assert [ABUSE[hit["start"] : hit["end"]] for hit in result["hits"]]
    assert result["policy"].startswith("default@")


def test_parts_and_options_are_accepted(api: RunningApi) -> None:
    with api.client() as client:
        body = {"input": [{"type": "text", "text": ABUSE}], "room_type": "kids", "language": "en"}
        assert client.post("/v1/moderations", json=body).json()["results"][0]["flagged"]
        image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
        assert client.post("/v1/moderations", json={"input": [image]}).status_code == 400


def test_errors_have_the_shape_of_openai(api: RunningApi) -> None:
    with openai(api, "wrong-token") as client, pytest.raises(AuthenticationError, match="Bearer"):
        client.moderations.create(input="hello")
    with openai(api, CASES) as client, pytest.raises(PermissionDeniedError, match="scope moderate"):
        client.moderations.create(input="hello")
    with openai(api) as client, pytest.raises(BadRequestError, match="at most 256") as refused:
        client.moderations.create(input=["hello"] * 257)
    assert (refused.value.param, refused.value.type) == ("input", "invalid_request_error")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": ["a", 1]}, "input"),
        ({"input": "a", "more": 1}, "more"),
        ({"input": "a", "room_type": ""}, "room_type"),
        ({"input": "a", "language": "fr"}, "language"),
        ([], "body"),
    ],
)
def test_an_error_names_the_parameter_and_nothing_internal(api: RunningApi, body: object, param: str) -> None:
    with api.client() as client:
        error = client.post("/v1/moderations", json=body).json()["error"]
    assert (error["param"], error["type"]) == (param, "invalid_request_error")
    assert error["message"].startswith(f"{param}: ")
    assert not re.search(r"constr|list\[|Model|function-", error["message"]), error["message"]


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ('{"input": "a"}', "application/x-www-form-urlencoded", "Content-Type: application/json"),
        ("", "application/json", "Content-Type: application/json"),
        ('{"input": "a"', "application/json", "at character 13"),
        ('{"input": "a", "romtype": "kids"}', "application/json", "Check its spelling"),
        ('{"input": []}', "application/json", "at least 1 item"),
    ],
)
def test_an_error_says_what_to_do(api: RunningApi, body: str, kind: str, said: str) -> None:
    with api.client() as client:
        answer = client.post("/v1/moderations", content=body, headers={"content-type": kind})
    assert (answer.status_code, said in answer.json()["error"]["message"]) == (400, True), answer.text


def test_a_wrong_path_and_a_wrong_method_name_the_list_of_addresses(api: RunningApi) -> None:
    with api.client() as client:
        for method, path, status in (("GET", "/v1/v1/models", 404), ("GET", "/v1/moderations", 405)):
            answer = client.request(method, path)
            message = answer.json()["error"]["message"]
            assert (answer.status_code, path in message, "/openapi.json" in message) == (status, True, True)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"input": []}, 400),
        ({"input": ""}, 200),
        ({"input": "a", "more": 1}, 400),
        ({"input": "a", "language": "x" * 257}, 400),
        ({"input": "x" * 100_001}, 400),
        ({"input": ["x" * 50_001] * 2}, 400),
        ({"input": ["x" * 100_000] * 11}, 413),
    ],
)
def test_the_limits_of_a_request(api: RunningApi, body: object, status: int) -> None:
    with api.client() as client:
        answer = client.post("/v1/moderations", json=body)
    assert answer.status_code == status
    assert status == 200 or answer.json()["error"]["message"]


@pytest.mark.parametrize("language", ["fr", "english", "EN", ""])
def test_a_language_that_is_not_judged_is_refused_with_the_list(api: RunningApi, language: str) -> None:
    with api.client() as client:
        answer = client.post("/v1/moderations", json={"input": "va te faire voir", "language": language})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].endswith("Use one of: en, zh.")


@pytest.mark.parametrize(
    ("text", "language", "suggestion"),
    [
        ("иди отсюда, тварь", "unsupported", None),
        ("أنت غبي", "unsupported", None),
        ("nice game, Иван", "en", "pass"),
        ("𝓷𝓲𝓬𝓮 game", "en", "pass"),
        ("12:30 👍", "en", "pass"),
        ("你好，Иван Иванович", "zh", "pass"),
    ],
)
def test_a_text_in_a_script_that_is_not_judged_has_no_verdict(
    api: RunningApi, text: str, language: str, suggestion: str | None
) -> None:
    with api.client() as client:
        [result] = client.post("/v1/moderations", json={"input": text}).json()["results"]
    assert (result["language"], result["suggestion"], result["flagged"]) == (language, suggestion, False)
