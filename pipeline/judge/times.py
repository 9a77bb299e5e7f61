"""When a part of a transcript was said."""

from pipeline.messages import Transcript


def times_of(transcript: Transcript, start: int, end: int) -> tuple[float, float]:
    """UTC seconds of the characters `start` to `end` (half open) of the text.

    From the words' own times where the recogniser gave them; else by the share of characters.
    """
    touched = [word for word, first, last in _words(transcript) if first < end and start < last]
    if touched:
        return touched[0][0], touched[-1][1]
    length = max(1, len(transcript.text))
    seconds = transcript.end - transcript.start
    return transcript.start + seconds * start / length, transcript.start + seconds * end / length


def _words(transcript: Transcript) -> list[tuple[tuple[float, float], int, int]]:
    """Each word's times, with its characters in the text; words that are not there in order are left out."""
    placed: list[tuple[tuple[float, float], int, int]] = []
    cursor = 0
    for word in transcript.words:
        text = word.text.strip()
        if text and (first := transcript.text.find(text, cursor)) >= 0:
            cursor = first + len(text)
            placed.append(((word.start, word.end), first, cursor))
    return placed
