"""Transcribe: utterances to transcripts, which carry the address of the audio, not the audio."""

from dataclasses import replace
from typing import Any

import faust
import msgspec

from agents.records import Received, address_of
from agents.work import Work
from pipeline.messages import Utterance
from pipeline.metrics import Metrics
from pipeline.settings import Settings
from pipeline.topology import TRANSCRIBE


class Transcribing(Work[Any]):
    def take(self, received: Received) -> Received:
        """Where the audio lies is only known once it has been written: here."""
        if not isinstance(received.message, Utterance):
            return received
        address = address_of(received.event.message)
        return replace(received, message=msgspec.structs.replace(received.message, address=address))


def build(app: faust.App, settings: Settings, metrics: Metrics) -> Work[Any]:
    return Transcribing(TRANSCRIBE.processor(settings, metrics))
