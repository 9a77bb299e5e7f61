"""All Prometheus metrics of Voxwarden, with their help texts.

The values of metric labels come from closed sets (stage, label, suggestion, language, result). A metric label never
holds a room, a speaker or a text.
"""

from collections.abc import Iterable
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

LATENCY_SECONDS = (0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30)
"""Histogram buckets around the promised latency: a flag within one or two seconds of the end of the speech."""


def from_zero(counter: Counter, *values: Iterable[str]) -> None:
    """Expose every combination of these label values from the start, with 0.

    Otherwise Prometheus first sees a counter after its first increment, and `increase()` misses that increment.
    """
    for labels in product(*values):
        counter.labels(*labels)


class Metrics:
    """The metrics of one process, in a registry of their own. Pass this object; there is no global registry."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)  # process_*: CPU, memory and start time

        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"voxwarden_{name}", meaning, labels, registry=registry)

        def gauge(name: str, meaning: str, *labels: str) -> Gauge:
            return Gauge(f"voxwarden_{name}", meaning, labels, registry=registry)

        def histogram(name: str, meaning: str, *labels: str) -> Histogram:
            return Histogram(f"voxwarden_{name}", meaning, labels, registry=registry, buckets=LATENCY_SECONDS)

        # runners of stages
        self.messages = counter("messages_total", "Messages that a stage took.", "stage")
        self.dead_letters = counter(
            "dead_letters_total", "Messages that a stage could not handle, fully or in part.", "stage"
        )
        self.batch_seconds = histogram("batch_seconds", "Processing time of one batch in a stage, in seconds.", "stage")
        self.queue_messages = gauge("queue_messages", "Messages that wait for a stage in this process.", "stage")
        self.dead_letter_share = gauge(
            "dead_letter_share",
            "Share of bad messages in the last messages of each sender. A worker stops above kafka.dead_letter_share.",
            "stage",
        )
        self.retries = counter(
            "retries_total", "Retries of a batch because a dependency (Kafka, the database) did not answer.", "stage"
        )
        self.lag_seconds = gauge("lag_seconds", "Seconds that the oldest record of the last batch had waited.", "stage")
        self.lag_messages = gauge("lag_messages", "Records on the broker that a stage has not committed yet.", "stage")
        self.committed_age_seconds = gauge(
            "committed_age_seconds",
            "Seconds since a stage's committed offset last moved; 0 if no records wait.",
            "stage",
        )
        self.expired_records = counter(
            "expired_records_total", "Records that Kafka deleted before a stage took them.", "stage"
        )
        self.expired_seconds = counter(
            "expired_seconds_total",
            "Seconds in which the expired records arrived, estimated from the rate of the others; sum over partitions.",
            "stage",
        )

        self.dependency_up = gauge(
            "dependency_up", "1 if the dependency (Kafka or the database) answers this process, else 0.", "dependency"
        )

        # gateway
        self.connections = gauge("gateway_connections", "Open audio connections.")
        self.refused = counter("gateway_refused_total", "Connections and frames refused, by reason.", "reason")
        self.received_bytes = counter("gateway_received_bytes_total", "Audio bytes received.")
        self.skipped_frames = counter("gateway_skipped_frames_total", "Empty or broken frames, by reason.", "reason")
        from_zero(self.skipped_frames, ("empty", "invalid"))
        self.lost_seconds = counter(
            "gateway_lost_seconds_total",
            "Seconds of audio from apps that Kafka had not confirmed when the connection ended.",
        )

        # segment
        self.audio_seconds = counter("audio_seconds_total", "Seconds of audio decoded, speech or not.")
        self.speech_seconds = counter("speech_seconds_total", "Seconds of audio in utterances.")
        self.sequence_faults = counter(
            "sequence_faults_total", "Faults in the order or time of chunks, by kind of fault.", "result"
        )
        self.repaired_samples = counter(
            "repaired_samples_total", "Samples that were NaN or infinite and became silence."
        )
        self.concealed_packets = counter(
            "concealed_packets_total", "Opus packets that could not be decoded and became silence."
        )
        self.open_speakers = gauge("open_speakers", "Speakers whose audio the segment stage follows.")

        # transcribe
        self.transcripts = counter("transcripts_total", "Utterances transcribed, by language.", "language")
        self.marked = counter(
            "transcripts_marked_total", "Transcripts that the recogniser may have invented, by mark.", "mark"
        )
        self.triaged = counter(
            "triaged_total", "Utterances without speech, which are not transcribed, by reason.", "reason"
        )
        self.coverage = counter(
            "coverage_utterances_total",
            "Utterances by type of room: heard, or skipped under overload.",
            "room_type",
            "result",
        )
        self.catch_up_seconds = gauge(
            "catch_up_seconds", "Predicted seconds until transcribe has cleared its backlog; +Inf: never."
        )
        self.overload_pressure = gauge(
            "overload_pressure", "Overload from 0 (nothing is skipped) to 1 (only the minimum shares are transcribed)."
        )

        # judge
        self.flags = counter("flags_total", "Judged utterances, by suggestion.", "suggestion")
        self.labels = counter("labels_total", "Labels of utterances whose suggestion is not pass.", "label")

        self.shadow_flags = counter(
            "shadow_flags_total",
            "Suggestions of shadow policies; `agrees` (yes, no): whether the real policy suggests the same.",
            "policy",
            "suggestion",
            "agrees",
        )

        # deliver
        self.cases = counter(
            "cases_total",
            "Flags at the store; `result` is created, merged, linked (decided speech), repeated, passed or audit.",
            "result",
        )
        self.evidence_missing = counter("evidence_missing_total", "Flags whose audio had already been deleted.")
        self.evidence_retention_seconds = gauge(
            "evidence_retention_seconds", "Retention of voice.utterances in seconds, read from the broker at the start."
        )
        # console
        self.decisions = counter("decisions_total", "Cases decided in the console, by verdict.", "verdict")
        self.decisions_undone = counter("decisions_undone_total", "Decisions that were undone within the undo window.")
        self.webhooks = counter(
            "webhooks_total", "Attempts to send a webhook, by result: sent, retried or failed (given up).", "result"
        )
        self.open_cases = gauge("open_cases", "Cases that wait for a decision, at the last check.")
        self.oldest_overdue_seconds = gauge(
            "oldest_overdue_seconds", "Seconds by which the most overdue open case is late; 0 if none is late."
        )

        self.speech_to_flag = histogram(
            "speech_to_flag_seconds", "Seconds from the end of the speech to its stored flag."
        )
