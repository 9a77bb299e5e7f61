"""Recordings over HTTP."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.connect.api import api_server
from pipeline.contract.messages import SAMPLE_RATE, Flag
from pipeline.runner.moderator import Moderator
from pipeline.runner.recordings_runner import FileReport
from pipeline.speech.audio.encode import encode_flac
from tests.deploy.files import ROOT
from tests.pipeline.connect.api.conftest import OTHER, RunningApi, running_api
from tests.pipeline.speech.asr.parts import Scripted, recognition

pytestmark = pytest.mark.weights

DEMO = ROOT / "pipeline" / "runner" / "demo" / "lounge-ben.ogg"
AT = "/v1/audio/moderations"


@pytest.fixture
def hasty(
    own_store: str, tmp_path: Path, moderator: Moderator, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningApi]:
    """An API that never waits for a recording, and takes short ones only."""
    monkeypatch.setattr(api_server, "MAX_AUDIO_BYTES", 300_000)
    yield from running_api(own_store, tmp_path, moderator, seconds=0, max_audio_seconds=40)


def upload(data: bytes = b"") -> dict[str, Any]:
    return {"file": ("a secret name.ogg", data or DEMO.read_bytes())}


def test_a_short_recording_is_answered_at_once(api: RunningApi) -> None:
    with api.client() as client:
        answer = client.post(AT, files=upload(), data={"room_type": "kids"})
        found = answer.json()
        assert (answer.status_code, found["status"], found["progress"], found["error"]) == (200, "done", 1.0, None)
        assert found["seconds"] == pytest.approx(30, abs=0.1)
        assert found["suggestion"] == "block"
        assert [each["start"] for each in found["utterances"]] == sorted(each["start"] for each in found["utterances"])
        worst = next(each for each in found["utterances"] if each["suggestion"] == "block")
        assert "idiot" in worst["text"]
        assert worst["categories"]["harassment"]
        assert 0 <= worst["start"] < worst["end"] <= 30
        assert client.get(answer.headers["location"]).json() == found


def test_a_long_recording_becomes_a_job_that_only_its_sender_sees(hasty: RunningApi) -> None:
    with hasty.client() as client, hasty.client(OTHER) as other:
        answer = client.post(AT, files=upload())
        assert (answer.status_code, answer.json()["status"]) == (202, answer.json()["status"])
        place = answer.headers["location"]
        assert other.get(place).status_code == 404
        while (found := client.get(place).json())["status"] in {"queued", "running"}:
            time.sleep(0.1)
        assert (found["status"], found["progress"], found["suggestion"]) == ("done", 1.0, "review")
        assert other.delete(place).status_code == 404
        assert client.delete(place).status_code == 204
        assert client.get(place).status_code == 404


def test_a_request_with_the_same_key_gives_the_same_recording(api: RunningApi) -> None:
    key = {"idempotency-key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
    with api.client() as client, api.client(OTHER) as other:
        first, again = (client.post(AT, files=upload(), headers=key) for _ in range(2))
        assert (again.status_code, again.json()) == (200, first.json())
        changed = client.post(AT, files=upload(), data={"room_type": "kids"}, headers=key)
        assert (changed.status_code, changed.json()["error"]["param"]) == (422, "Idempotency-Key")
        theirs = other.post(AT, files=upload(), headers=key).json()
        assert theirs["id"] != first.json()["id"]
        [listed] = client.get(AT).json()["data"]
        assert listed == {name: value for name, value in first.json().items() if name in listed}
        assert "utterances" not in listed


def test_recordings_come_in_pages(api: RunningApi) -> None:
    quiet = encode_flac(np.zeros(SAMPLE_RATE, np.float32))
    with api.client() as client:
        made = [client.post(AT, files=upload(quiet)).json()["id"] for _ in range(3)]
        first = client.get(AT, params={"limit": 2}).json()
        rest = client.get(AT, params={"limit": 2, "after": first["next"]}).json()
    assert [each["id"] for each in first["data"] + rest["data"]] == made[::-1]
    assert rest["next"] is None


def test_a_file_that_is_no_recording_is_refused_without_its_name(api: RunningApi) -> None:
    with api.client() as client:
        answer = client.post(AT, files=upload(b"not audio at all" * 99))
    assert answer.status_code == 400
    assert "The recording" in answer.json()["error"]["message"]
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("form", "param", "said"),
    [
        ({"files": upload(), "data": {"roomtype": "kids"}}, "roomtype", "room_type"),
        ({"files": {"audio": b"x"}}, "audio", "`file`"),
        ({"data": {"file": "call.wav"}}, "file", "-F file=@"),
        ({"json": {"url": "http://example.com/a.ogg"}}, "file", "multipart form"),
    ],
)
def test_a_wrong_form_is_refused(api: RunningApi, form: dict[str, Any], param: str, said: str) -> None:
    with api.client() as client:
        answer = client.post(AT, **form)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], said in error["message"]) == (400, param, True), error


def test_an_id_of_another_form_is_the_id_of_nothing(api: RunningApi) -> None:
    with api.client() as client:
        for answer in (client.get(f"{AT}/nope"), client.delete(f"{AT}/nope"), client.get(AT, params={"after": "nope"})):
            assert (answer.status_code, "no recording nope" in answer.text) == (404, True)


def test_large_and_long_recordings_are_refused(hasty: RunningApi) -> None:
    with hasty.client() as client:
        assert client.post(AT, files=upload(bytes(400_000))).status_code == 413
        long = client.post(AT, files=upload(encode_flac(np.zeros(41 * SAMPLE_RATE, np.float32))))
        assert (long.status_code, "41 s" in long.json()["error"]["message"]) == (400, True)


async def test_a_recording_that_hides_its_length_is_cut(moderator: Moderator) -> None:
    found = [each async for each in moderator.results(DEMO, name="it", longest=12.0)]
    report = found.pop()
    assert isinstance(report, FileReport)
    assert report.error is not None
    assert "it is longer than 12 s" in report.error
    assert all(isinstance(flag, Flag) and flag.end <= 12 for flag in found)
    assert found


def test_speech_in_another_language_is_not_called_clean(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> None:
    script = [recognition("", language="fr"), *(recognition("I will kill you.") for _ in range(2))]
    monkeypatch.setattr("pipeline.speech.asr.transcribe_stage.load_recogniser", lambda asr: Scripted(script))
    with api.client() as client:
        found = client.post(AT, files=upload()).json()
        assert (found["status"], found["suggestion"], found["error"]) == ("done", "review", None)
        assert len(found["utterances"]) == 2
        script += [recognition("", language="fr")] * 3
        found = client.post(AT, files=upload()).json()
        assert (found["status"], found["suggestion"], found["error"]) == ("done", None, None)
