"""Finds when a part of a transcript was spoken."""

from pipeline.contract.messages import Transcript


def times_of(transcript: Transcript, start: int, end: int) -> tuple[float, float]:
    """Start and end of the characters `start` to `end` (half open) of the text, in UTC seconds.

    Uses the words' own times if the recogniser gave them, else the share of characters.
    """
    touched = [word for word, first, last in _words(transcript) if first < end and start < last]
    if touched:
        return touched[0][0], touched[-1][1]
    length = max(1, len(transcript.text))
    seconds = transcript.end - transcript.start
    return transcript.start + seconds * start / length, transcript.start + seconds * end / length


def _words(transcript: Transcript) -> list[tuple[tuple[float, float], int, int]]:
    """Each word's times and its characters in the text. Words that are not in the text in order are left out."""
    placed: list[tuple[tuple[float, float], int, int]] = []
    cursor = 0
    for word in transcript.words:
        text = word.text.strip()
        if text and (first := transcript.text.find(text, cursor)) >= 0:
            cursor = first + len(text)
            placed.append(((word.start, word.end), first, cursor))
    return placed
