"""The catalogue of all Prometheus metrics of Voxwarden, with their help texts.

The values of metric labels come from closed sets (LABELS). A metric label never holds a room, a speaker or a text.
`python -m deploy.metrics_page` writes docs/metrics.md from this catalogue.
"""
# ruff: noqa: RUF009 (`_metric` describes a field of the dataclass and is no default)

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from itertools import product
from typing import Any, Literal, NamedTuple, get_type_hints

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

# Histogram buckets around the promised latency: a flag within one or two seconds of the end of the speech.
LATENCY_SECONDS = (0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30)


# Histogram buckets for work that people do. The default targets of `console.targets_seconds` are among them.
REVIEW_SECONDS = (30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400)

# The values of each metric label. All of them are closed sets.
LABELS = {
    "action": "warn, mute, unmute, remove, close_room",
    "agrees": "yes, no",
    "bound": "estimate, low, high: the estimate, and the ends of its 95 % interval",
    "dependency": "kafka, database, evidence (the folder or S3 server of the clips)",
    "kind": "recording (a banned one), ear (the second ear), or a sound event, e.g. howl (docs/sounds.md)",
    "label": "the labels of `configs/labels.yaml`, and other",
    "language": "a language that Whisper knows, as a code",
    "mark": "the marks of a transcript",
    "model": "the model that this process has loaded",
    "policy": "a policy that this process has loaded, with its version",
    "reason": "a closed list for each metric",
    "result": "a closed list for each metric",
    "room_type": "the room types of `overload.room_types`, and other",
    "severity": "low, medium, high, critical",
    "source": "words, sound, ear (the second ear), reader (the second reader)",
    "stage": "the stages of `pipeline/contract/topology.py`",
    "state": "a closed list for each metric",
    "suggestion": "pass, review, block",
    "tenth": "0.0 to 0.9: the lower bound of a tenth",
    "verdict": "uphold, dismiss, escalate",
    "version": "the version of Voxwarden",
    "who": "nobody (no account may take the case), away (none that is here)",
}

Bound = Literal["estimate", "low", "high"]


class Entry(NamedTuple):
    """A metric as the catalogue describes it. `options` go to its class, e.g. the buckets of a histogram."""

    kind: type[Counter | Gauge | Histogram]
    name: str
    meaning: str
    labels: tuple[str, ...]
    options: dict[str, Any]

    def register(self, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
        """Create the metric in `registry`."""
        return self.kind(self.name, self.meaning, self.labels, registry=registry, **self.options)


def _metric(name: str, meaning: str, *labels: str, **options: Any) -> Any:
    """A field of `Metrics`, whose type is the class of the metric."""
    described = {"name": f"voxwarden_{name}", "meaning": meaning, "labels": labels, "options": options}
    return field(init=False, repr=False, metadata=described)


@dataclass(eq=False)
class Metrics:
    """The metrics of one process, in a registry of their own. Pass this object; there is no global registry."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry, init=False)

    # all processes
    build: Gauge = _metric("build_info", "Always 1. The label names the version in use.", "version")

    # runners of stages
    messages: Counter = _metric("messages_total", "Messages that a stage took.", "stage")
    dead_letters: Counter = _metric(
        "dead_letters_total", "Messages that a stage could not handle, fully or in part.", "stage"
    )
    batch_seconds: Histogram = _metric(
        "batch_seconds", "Processing time of one batch in a stage, in seconds.", "stage", buckets=LATENCY_SECONDS
    )
    queue_messages: Gauge = _metric("queue_messages", "Messages that wait for a stage in this process.", "stage")
    dead_letter_share: Gauge = _metric(
        "dead_letter_share",
        "Share of bad messages in the last messages of each sender. A worker stops above kafka.dead_letter_share.",
        "stage",
    )
    retries: Counter = _metric(
        "retries_total",
        "Retries of a batch because a dependency (Kafka, the database, the store of the clips) did not answer.",
        "stage",
    )
    stage_off: Gauge = _metric(
        "stage_off",
        "1 while `voxwarden run` leaves out a stage that nothing waits for (listen, read) after failures; otherwise 0.",
        "stage",
    )
    lag_seconds: Gauge = _metric("lag_seconds", "Seconds that the oldest record of the last batch had waited.", "stage")
    lag_messages: Gauge = _metric("lag_messages", "Records on the broker that a stage has not committed yet.", "stage")
    committed_age_seconds: Gauge = _metric(
        "committed_age_seconds", "Seconds since a stage's committed offset last moved; 0 if no records wait.", "stage"
    )
    expired_records: Counter = _metric(
        "expired_records_total", "Records that Kafka deleted before a stage took them.", "stage"
    )
    expired_seconds: Counter = _metric(
        "expired_seconds_total",
        "Seconds in which the expired records arrived, estimated from the rate of the others; sum over partitions.",
        "stage",
    )
    dependency_up: Gauge = _metric(
        "dependency_up",
        "1 if the dependency (Kafka, the database or the store of the clips) answers this process, else 0.",
        "dependency",
    )

    # gateway
    connections: Gauge = _metric("gateway_connections", "Open audio connections.")
    refused: Counter = _metric("gateway_refused_total", "Connections and frames refused, by reason.", "reason")
    received_bytes: Counter = _metric("gateway_received_bytes_total", "Audio bytes received.")
    skipped_frames: Counter = _metric("gateway_skipped_frames_total", "Empty or broken frames, by reason.", "reason")
    lost_seconds: Counter = _metric(
        "gateway_lost_seconds_total",
        "Seconds of audio from apps that Kafka had not confirmed when the connection ended.",
    )

    # livekit
    livekit_up: Gauge = _metric("livekit_up", "1 if the LiveKit server answers this process, else 0.")
    livekit_rooms: Gauge = _metric("livekit_rooms", "LiveKit rooms in which the bot of this process listens.")
    livekit_tracks: Gauge = _metric(
        "livekit_tracks",
        "Microphones in these rooms, by state: heard, unheard (at two sweeps), encrypted (end to end).",
        "state",
    )
    livekit_unheard_seconds: Counter = _metric(
        "livekit_unheard_seconds_total",
        "Seconds of microphones that did not reach the gateway, by reason: start (from the publication to the first"
        " frame, an upper limit), gap (dropped frames), loss (packets that the decoder concealed), gateway (a full"
        " queue to the gateway).",
        "reason",
    )
    livekit_joins: Counter = _metric(
        "livekit_joins_total",
        "Joins and losses of rooms: joined, failed, closed (the room), replaced (by another bot), lost.",
        "result",
    )
    livekit_webhooks: Counter = _metric(
        "livekit_webhooks_total", "Webhooks of the LiveKit server: accepted or refused.", "result"
    )
    livekit_actions: Counter = _metric(
        "livekit_actions_total", "Actions in LiveKit rooms, by result: done or failed.", "action", "result"
    )

    # rtp
    rtp_streams: Gauge = _metric(
        "rtp_streams",
        "RTP streams of this process, by state: waiting (for the first packet), live, refused (by the gateway).",
        "state",
    )
    rtp_packets: Counter = _metric("rtp_packets_total", "RTP packets taken.")
    rtp_dropped: Counter = _metric(
        "rtp_dropped_packets_total",
        "Packets that were not used, by reason: rtcp, invalid, unmapped (no stream has the port and SSRC), refused,"
        " source (another sender), payload_type, flood, overflow, late, duplicate, restart (an odd SSRC or number).",
        "reason",
    )
    rtp_unheard_seconds: Counter = _metric(
        "rtp_unheard_seconds_total",
        "Seconds of RTP streams that did not reach the gateway, by reason: loss (lost packets), broken (packets that"
        " cannot be decoded), gateway (a full queue to the gateway).",
        "reason",
    )

    # segment
    audio_seconds: Counter = _metric("audio_seconds_total", "Seconds of audio decoded, speech or not.")
    speech_seconds: Counter = _metric("speech_seconds_total", "Seconds of audio in utterances.")
    sequence_faults: Counter = _metric(
        "sequence_faults_total", "Faults in the order or time of chunks, by kind of fault.", "result"
    )
    repaired_samples: Counter = _metric(
        "repaired_samples_total", "Samples that were NaN or infinite and became silence."
    )
    concealed_packets: Counter = _metric(
        "concealed_packets_total", "Opus packets that could not be decoded and became silence."
    )
    open_speakers: Gauge = _metric("open_speakers", "Speakers whose audio the segment stage follows.")

    # listen
    listened: Counter = _metric(
        "listened_chunks_total", "Chunks that the listen stage took: heard, or skipped under overload.", "result"
    )
    banned_recordings: Gauge = _metric(
        "banned_recordings", "Recordings of the bank with which this process compares audio; 0 in other processes."
    )
    ear_windows: Counter = _metric(
        "ear_windows_total",
        "Windows of the second ear: heard, quiet (left out), or failed (the model gave no scores).",
        "result",
    )
    sounds: Counter = _metric("sounds_total", "Sounds that the listen stage recognised, by kind.", "kind")

    # transcribe
    transcripts: Counter = _metric("transcripts_total", "Utterances transcribed, by language.", "language")
    other_language_seconds: Counter = _metric(
        "other_language_seconds_total",
        "Seconds of speech that was not transcribed, because it is in a language that asr.languages does not have.",
        "language",
    )
    marked: Counter = _metric(
        "transcripts_marked_total", "Transcripts that the recogniser may have invented, by mark.", "mark"
    )
    triaged: Counter = _metric(
        "triaged_total", "Utterances without speech, which are not transcribed, by reason.", "reason"
    )
    coverage: Counter = _metric(
        "coverage_utterances_total",
        "Utterances by type of room: heard, or skipped under overload.",
        "room_type",
        "result",
    )
    early_utterances: Counter = _metric(
        "early_utterances_total",
        "Speech that was offered to the recogniser before its end: used, discarded (it went on) or declined (no room).",
        "result",
    )
    adapter_readings: Counter = _metric(
        "adapter_readings_total",
        "Transcripts by the adapter's reading, which the judge reads, too: read, skipped (others waited) or none.",
        "result",
    )
    recogniser: Gauge = _metric("recogniser_info", "Always 1. The label names the speech recogniser in use.", "model")
    recognised_seconds: Counter = _metric("recognised_seconds_total", "Seconds of speech that the recogniser read.")
    recogniser_busy_seconds: Counter = _metric(
        "recogniser_busy_seconds_total",
        "Seconds for which the recogniser worked. Divided by the seconds of speech, this is the real-time factor.",
    )
    catch_up_seconds: Gauge = _metric(
        "catch_up_seconds", "Predicted seconds until transcribe has cleared its backlog; +Inf: never."
    )
    overload_pressure: Gauge = _metric(
        "overload_pressure", "Overload from 0 (nothing is skipped) to 1 (only the minimum shares are transcribed)."
    )

    # judge
    flags: Counter = _metric(
        "flags_total",
        "Judged utterances and sounds, and findings of the second reader, by suggestion and source. A flag that waits"
        " for words or second ear counts with its suggestion until then, mostly pass. Its release counts unless the"
        " same speech counts as review or block already.",
        "suggestion",
        "source",
    )
    labels: Counter = _metric("labels_total", "Labels of utterances whose suggestion is not pass.", "label")
    both: Counter = _metric(
        "both_sources_total",
        "Flags of labels that need words and second ear, by label, source (words, ear) and result: withheld, released.",
        "label",
        "source",
        "result",
    )
    context: Counter = _metric(
        "context_total",
        "Utterances that were also scored with the speech before them; `result` is raised if it led to the suggestion, "
        "else same.",
        "result",
    )
    scores: Counter = _metric("scores_total", "Scores of judged utterances, by label and tenth.", "label", "tenth")
    classifier: Gauge = _metric("classifier_info", "Always 1. The label names the classifier in use.", "model")
    policy: Gauge = _metric("policy_info", "Always 1. The label names the policy in use.", "policy")
    policy_edition: Gauge = _metric(
        "policy_edition", "The edition of the published policies that the judge uses; 0: it uses its files."
    )
    policy_refused: Gauge = _metric(
        "policy_refused", "1 while the judge cannot use the newest published policies, and goes on with older ones."
    )
    policy_refusals: Counter = _metric("policy_refusals_total", "Editions of policies that the judge could not use.")
    shadow_flags: Counter = _metric(
        "shadow_flags_total",
        "Suggestions of shadow policies and of a shadow model; `agrees` (yes, no): whether the real one is the same.",
        "policy",
        "suggestion",
        "agrees",
    )

    # read
    reader_requests: Counter = _metric(
        "reader_requests_total",
        "Requests to the second reader, by result: flagged, harmless, unreadable (not in the form), late, limited (429"
        " or 503), refused (another status) or failed.",
        "result",
    )
    reader_left_out: Counter = _metric(
        "reader_left_out_total",
        "Unsure flags that the second reader was not asked about, by reason: behind, paused (after failures), or used"
        " up: minute, day, room, speaker. On one machine, `behind` also counts flags that are not unsure.",
        "reason",
    )
    reader_seconds: Histogram = _metric(
        "reader_seconds", "Seconds from a request to the second reader to its answer.", buckets=LATENCY_SECONDS
    )
    reader_paused: Gauge = _metric(
        "reader_paused", "1 while the second reader gets no requests after failures; otherwise 0."
    )

    # deliver
    cases: Counter = _metric(
        "cases_total",
        "Flags at the store; `result` is created, merged, linked (decided speech), repeated, muted, passed, audit, or"
        " updated or worsened (a flag that replaced the one of its first words).",
        "result",
    )
    counted_seconds: Counter = _metric(
        "counted_seconds_total",
        "Seconds of real speech by `result`: segmented, then monitored (it has a flag), skipped or failed."
        " Each utterance counts once for each result, also if it arrives again.",
        "room_type",
        "result",
    )
    speech_to_flag: Histogram = _metric(
        "speech_to_flag_seconds", "Seconds from the end of the speech to its stored flag.", buckets=LATENCY_SECONDS
    )
    events_dropped: Counter = _metric(
        "events_dropped_total", "Events flag.raised that were dropped because 10,000 events waited."
    )
    evidence_missing: Counter = _metric("evidence_missing_total", "Flags whose audio had already been deleted.")
    evidence_retention_seconds: Gauge = _metric(
        "evidence_retention_seconds", "Retention of voice.utterances in seconds, read from the broker at the start."
    )

    # console
    decisions: Counter = _metric("decisions_total", "Cases decided in the console, by verdict.", "verdict")
    decisions_undone: Counter = _metric("decisions_undone_total", "Decisions that were undone within the undo window.")
    webhooks: Counter = _metric(
        "webhooks_total", "Attempts to send a webhook, by result: sent, retried or failed (given up).", "result"
    )
    webhooks_waiting: Gauge = _metric("webhooks_waiting", "Events for the app that are due and not sent yet.")
    webhooks_oldest_seconds: Gauge = _metric(
        "webhooks_oldest_seconds", "Seconds for which the oldest of these events has been due; 0 if none waits."
    )
    speech_to_webhook: Histogram = _metric(
        "speech_to_webhook_seconds",
        "Seconds from the end of the speech until the app accepted its flag.raised.",
        buckets=LATENCY_SECONDS,
    )
    open_cases: Gauge = _metric("open_cases", "Cases that wait for a decision, at the last check.", "severity")
    late_cases: Gauge = _metric("late_cases", "Open cases whose target time has passed, at the last check.", "severity")
    oldest_case_seconds: Gauge = _metric(
        "oldest_case_seconds", "Age of the oldest open case; 0 if none is open.", "severity"
    )
    oldest_overdue_seconds: Gauge = _metric(
        "oldest_overdue_seconds", "Seconds by which the most overdue open case is late; 0 if none is late."
    )
    uncovered_cases: Gauge = _metric(
        "uncovered_cases", "Open cases that nobody can take, by whether no account may, or none that is here.", "who"
    )
    audit_broken: Gauge = _metric(
        "audit_broken", "1 if the newest check found a changed, missing or forged line of the audit log; otherwise 0."
    )
    audit_checked: Gauge = _metric(
        "audit_checked_timestamp_seconds",
        "When the console last checked the audit log, or began, in UTC seconds; 0 in other processes.",
    )
    reviews: Counter = _metric(
        "reviews_total", "First final decisions on flagged cases, by the pipeline's label.", "label", "verdict"
    )
    review_deadlines: Counter = _metric(
        "review_deadlines_total", "First final decisions on flagged cases: in time (met) or not.", "severity", "result"
    )
    flag_to_review: Histogram = _metric(
        "flag_to_review_seconds",
        "Seconds from the stored flag to the first final decision.",
        "severity",
        buckets=REVIEW_SECONDS,
    )
    review_to_action: Histogram = _metric(
        "review_to_action_seconds",
        "Seconds from the decision to the action, as the app confirms it.",
        buckets=(*LATENCY_SECONDS, *REVIEW_SECONDS[1:]),
    )
    actions: Counter = _metric("actions_total", "Actions that the app confirmed, by result: done or failed.", "result")
    appeals: Counter = _metric(
        "appeals_total", "Appeals, by result: lodged, then upheld or overturned; reopened by an undo.", "result"
    )

    # console, once in five minutes, from the review store
    confirmed_ratio: Gauge = _metric(
        "confirmed_ratio", "Share of upheld cases among the decided flagged cases of 30 days. NaN: none.", "label"
    )
    recall_ratio: Gauge = _metric(
        "recall_ratio", "Share of violating utterances of 30 days that were flagged, from audits. NaN: none.", "bound"
    )
    precision_ratio: Gauge = _metric(
        "precision_ratio", "Share of flagged cases of 30 days that violate, from second opinions. NaN: none.", "bound"
    )
    decided_audits: Gauge = _metric("decided_audits", "Audits of 30 days that are decided.")
    upheld_speakers: Gauge = _metric("upheld_speakers", "Speakers with an upheld case in 30 days.")
    repeat_offenders: Gauge = _metric("repeat_offenders", "Speakers with at least two upheld cases in 30 days.")
    spread_speakers: Gauge = _metric(
        "spread_speakers", "Most speakers with the same flagged term within an hour.", "label"
    )
    spread_terms: Gauge = _metric(
        "spread_terms",
        "Flagged terms that at least three speakers used within an hour.",
        "label",
    )

    def __post_init__(self) -> None:
        ProcessCollector(registry=self.registry)  # process_*: CPU, memory and start time
        for attribute, entry in catalogue().items():
            setattr(self, attribute, entry.register(self.registry))
        from_zero(self.skipped_frames, ("empty", "invalid"))
        self.build.labels(version("voxwarden")).set(1)


def catalogue() -> dict[str, Entry]:
    """All metrics in the order of `/metrics`, by the name of their attribute in `Metrics`."""
    kinds = get_type_hints(Metrics)
    return {one.name: Entry(kind=kinds[one.name], **one.metadata) for one in fields(Metrics) if one.metadata}


def from_zero(counter: Counter, *values: Iterable[str]) -> None:
    """Expose every combination of these label values from the start, with 0."""
    # Otherwise Prometheus first sees a counter after its first increment, and `increase()` misses that increment.
    for labels in product(*values):
        counter.labels(*labels)
