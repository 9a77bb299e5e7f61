"""The settings that were removed, and what to do about each. Loading names the remedy in its error."""

REASON = "the setting was removed"

REMEDIES = {
    "stages": "Delete it: pipeline/contract/topology.py has the batches of the stages.",
    "audio.vad_threshold": "Delete it: it is always 0.5.",
    "audio.soft_seconds": "Delete it: it is always 8 s; audio.max_seconds limits an utterance.",
    "audio.pad_seconds": "Delete it: it is always 0.2 s.",
    "audio.overlap_seconds": "Delete it: it is always 0.5 s.",
    "audio.max_gap_seconds": "Delete it: it is always 2 s.",
    "audio.reorder_chunks": "Delete it: it is always 8 chunks.",
    "asr.adapter_patience_seconds": "Delete it: it is always 0.3 s.",
    "asr.early_share": "Delete it: it is always 0.5.",
    "listen.ear_device": "Delete it. CUDA_VISIBLE_DEVICES chooses the GPU of the second ear.",
    "judge.threads": "Delete it: the classifier has one thread for each CPU core of the process.",
    "reader.suggestions": "Delete it: reader.from_risk and reader.to_risk choose the utterances.",
    "reader.room_share": "Delete it: it is always 0.25.",
    "reader.speaker_share": "Delete it: it is always 0.1.",
    "reader.answer_tokens": "Set max_tokens in reader.extra instead.",
    "gateway.max_frame_bytes": "Delete it: it is always 262,144 bytes.",
    "gateway.max_invalid_per_second": "Delete it: it is always 5 a second.",
    "gateway.gather_seconds": "Delete it: it is always 0.2 s.",
    "gateway.buffer_seconds": "Delete it: it is always 5 s.",
    "gateway.buffer_bytes": "Delete it: it is always 64 MiB.",
    "gateway.confirm_seconds": "Delete it: it is always 10 s.",
    "gateway.gap_seconds": "Delete it: it is always 1 s.",
    "gateway.ping_seconds": "Delete it: it is always 20 s.",
    "livekit.late_seconds": "Delete it: it is always 60 s.",
    "livekit.poll_seconds": "Delete it: it is always 0.25 s.",
    "rtp.max_streams": "Delete it: it is always 500 streams.",
    "rtp.max_packets_per_second": "Delete it: it is always 200 a second.",
    "console.max_body_bytes": "Delete it: it is always 256 KiB.",
    "console.lease_seconds": "Delete it: it is always 300 s.",
    "console.longest_lease_seconds": "Delete it: it is always 1,800 s.",
    "console.assigned_seconds": "Delete it: it is always 3,600 s.",
    "console.escalated_seconds": "Delete it: it is always 1,800 s.",
    "console.poll_seconds": "Delete it: it is always 0.15 s.",
    "webhooks.max_waiting": "Delete it: it is always 10,000 events.",
    "api.max_body_bytes": "Delete it: it is always 1 MiB.",
    "api.max_texts": "Delete it: it is always 256 texts.",
    "api.job_seconds": "Delete it: it is always 3,600 s.",
    "audit.anchor_seconds": "Delete it: it is always 3,600 s.",
    "retention.every_hours": "Delete it: it is always 24 h; retention.in_console turns the job off.",
    "quality.draw_seconds": "Delete it: it is always 15 s.",
    "store.merge_gap_seconds": "Delete it: it is always 0 s.",
    "store.max_case_seconds": "Delete it: it is always 120 s.",
    "evidence.s3.timeout_seconds": "Delete it: it is always 5 s.",
    "kafka.stall_seconds": "Delete it: it is always 45 s.",
    "kafka.retention_hours.transcripts": "Set kafka.retention_hours.utterances instead.",
    "kafka.retention_hours.sounds": "Set kafka.retention_hours.flags instead.",
    "kafka.retention_hours.readings": "Set kafka.retention_hours.flags instead.",
    "kafka.retention_hours.speech": "Set kafka.retention_hours.flags instead.",
    "assessment.low_confidence": "Delete it: it is always 0.5.",
    "assessment.languages": "Delete it: the languages of asr.languages that have a lexicon in judge.lexicons count.",
    "assessment.spread_rooms": "Delete it: it is always 3 rooms.",
    "assessment.spread_speakers": "Delete it: it is always 3 speakers.",
    "assessment.spread_minutes": "Delete it: it is always 60 minutes.",
    "assessment.stable_loss": "Delete it: it is always 0.001.",
    "assessment.triggers": "Delete it: the limits are fixed, see TriggerLimits in pipeline/assessment/signals.py.",
    "assessment.drills": "Delete it: a detection drill is due after 90 days, a stop drill after 180.",
}
"""What to do, by key. A key of a section stands for every key in it."""


def remedy_of(key: str) -> str | None:
    """What to do about a key that was removed, e.g. `stages.judge.batch`; None if it never was a setting."""
    parts = key.split(".")
    prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((REMEDIES[prefix] for prefix in prefixes if prefix in REMEDIES), None)
