"""Every figure that Voxwarden shows to Prometheus, with its meaning, in one place.

Labels come from closed sets only (stage, label, suggestion, language, result): never a room, a speaker or a text.
"""

from collections.abc import Iterable
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

LATENCY_SECONDS = (0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30)
"""Budget steps: a flag is promised within a second or two of the end of the speech."""


def from_zero(counter: Counter, *values: Iterable[str]) -> None:
    """Show every combination of these label values from the start, with 0.

    Else Prometheus sees a counter for the first time after it was counted up, and takes that for no change.
    """
    for labels in product(*values):
        counter.labels(*labels)


class Metrics:
    """One registry for each process; pass it, never reach for a global one."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)  # process_*: CPU, memory, and when it started

        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"voxwarden_{name}", meaning, labels, registry=registry)

        def gauge(name: str, meaning: str, *labels: str) -> Gauge:
            return Gauge(f"voxwarden_{name}", meaning, labels, registry=registry)

        def histogram(name: str, meaning: str, *labels: str) -> Histogram:
            return Histogram(f"voxwarden_{name}", meaning, labels, registry=registry, buckets=LATENCY_SECONDS)

        # runners of stages
        self.messages = counter("messages_total", "Messages taken by a stage.", "stage")
        self.dead_letters = counter(
            "dead_letters_total", "Messages a stage could not handle, or not all of them.", "stage"
        )
        self.batch_seconds = histogram("batch_seconds", "Time of one batch in a stage's processor.", "stage")
        self.queue_messages = gauge("queue_messages", "Messages waiting for a stage, in this process.", "stage")
        self.dead_letter_share = gauge(
            "dead_letter_share",
            "Of the last messages of each sender; a worker halts at kafka.dead_letter_share.",
            "stage",
        )
        self.retries = counter("retries_total", "Tries of a batch that a dependency did not answer.", "stage")
        self.lag_seconds = gauge("lag_seconds", "How long the oldest record of the last batch had waited.", "stage")
        self.lag_messages = gauge("lag_messages", "Records the broker has for a stage's group to handle.", "stage")
        self.committed_age_seconds = gauge(
            "committed_age_seconds", "Since a stage's committed offset moved, or had no reason to.", "stage"
        )
        self.expired_records = counter(
            "expired_records_total", "Records that Kafka deleted before a stage took them.", "stage"
        )
        self.expired_seconds = counter(
            "expired_seconds_total",
            "How long those took to come in, estimated by the pace of the rest; partitions are added up.",
            "stage",
        )

        self.dependency_up = gauge(
            "dependency_up", "Whether kafka or the database answers this process: 1 or 0.", "dependency"
        )

        # gateway
        self.connections = gauge("gateway_connections", "Open audio connections.")
        self.refused = counter("gateway_refused_total", "Connections and frames refused, by reason.", "reason")
        self.received_bytes = counter("gateway_received_bytes_total", "Audio bytes taken in.")
        self.skipped_frames = counter("gateway_skipped_frames_total", "Frames that hold no audio, by reason.", "reason")
        from_zero(self.skipped_frames, ("empty", "invalid"))
        self.lost_seconds = counter(
            "gateway_lost_seconds_total",
            "Seconds of audio that apps sent and the gateway did not see safe before the connection ended.",
        )

        # segment
        self.audio_seconds = counter("audio_seconds_total", "Seconds of audio heard, speech or not.")
        self.speech_seconds = counter("speech_seconds_total", "Seconds of audio cut into utterances.")
        self.sequence_faults = counter(
            "sequence_faults_total", "Chunks that came late, twice, or after a gap.", "result"
        )
        self.repaired_samples = counter(
            "repaired_samples_total", "Samples that were NaN or infinite, taken as silence."
        )
        self.concealed_packets = counter(
            "concealed_packets_total", "Opus packets that could not be decoded, taken as silence."
        )
        self.open_speakers = gauge("open_speakers", "Speakers with audio in hand.")

        # transcribe
        self.transcripts = counter("transcripts_total", "Utterances transcribed, by language.", "language")
        self.marked = counter("transcripts_marked_total", "Transcripts the recogniser may have invented.", "mark")
        self.triaged = counter(
            "triaged_total", "Utterances that are no speech, and were not given to the recogniser, by gate.", "reason"
        )
        self.coverage = counter(
            "coverage_utterances_total",
            "Utterances that were heard, or skipped under overload, by type of room.",
            "room_type",
            "result",
        )
        self.catch_up_seconds = gauge(
            "catch_up_seconds", "Until transcribe has worked off what waits, as predicted; +Inf: never."
        )
        self.overload_pressure = gauge("overload_pressure", "How hard overload is shed: 0 all heard, 1 the least.")

        # judge
        self.flags = counter("flags_total", "Judged utterances, by suggestion.", "suggestion")
        self.labels = counter("labels_total", "Labels on utterances that were not passed.", "label")

        self.shadow_flags = counter(
            "shadow_flags_total",
            "What shadow policies suggest; `agrees` (yes, no) with the real one.",
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
        self.evidence_missing = counter("evidence_missing_total", "Flags whose audio was no longer in the log.")
        self.evidence_retention_seconds = gauge(
            "evidence_retention_seconds", "How long voice.utterances keeps audio, as the broker had it at the start."
        )
        # console
        self.decisions = counter("decisions_total", "Cases decided in the console, by verdict.", "verdict")
        self.decisions_undone = counter("decisions_undone_total", "Decisions that were taken back within the window.")
        self.webhooks = counter(
            "webhooks_total", "Webhooks: sent, tried in vain, or failed for good; by result.", "result"
        )
        self.open_cases = gauge("open_cases", "Cases that wait for a decision, when last looked at.")
        self.oldest_overdue_seconds = gauge("oldest_overdue_seconds", "How late the latest open case is; 0 if none is.")

        self.speech_to_flag = histogram("speech_to_flag_seconds", "From the end of the speech to its stored flag.")
