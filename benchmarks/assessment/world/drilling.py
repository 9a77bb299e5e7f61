"""The drills: orders to stop test rooms, and test sentences through the deliver stage."""

from collections.abc import Iterator

from benchmarks.assessment.facts import (
    BEGIN,
    DAY,
    Act,
    DetectionDrill,
    DrillSentence,
    StopDrill,
    WorldSpeech,
)
from benchmarks.assessment.speech import flag, status
from benchmarks.assessment.world.app import SimulatedApp
from benchmarks.assessment.world.core import Process, World
from benchmarks.assessment.world.delivery import Batch, Delivery
from pipeline.assessment import drills
from pipeline.assessment.drill_lines import DrillLine

STOPS = {
    BEGIN + 2.4 * DAY: 1,
    BEGIN + 7 * DAY - 2: 0,
    BEGIN + 8.2 * DAY: 0,
    BEGIN + 9.6 * DAY: 1,
    BEGIN + 12.5 * DAY: 0,
}
"""The times of the stop drills, each with the number of rooms that do not stop. The second one goes on at the end of
the first week."""
STOP_SECONDS = 60.0
SPEAK_SECONDS = 20.0
MISSES = (
    DrillSentence("zh", "fraud", ("pass",)),
    DrillSentence("zh", "", ("block",)),
    DrillSentence("en", "abuse", ()),
)
HITS = (DrillSentence("zh", "fraud", ("block",)), DrillSentence("zh", "", ("pass",)), DrillSentence("en", "abuse", ()))
ALWAYS = (
    DrillSentence("zh", "fraud", ("review",)),
    DrillSentence("zh", "violence", ("pass", "block")),
    DrillSentence("zh", "violence", ("review", "pass")),
    DrillSentence("en", "sexual", ("review",)),
    DrillSentence("en", "", ("pass",)),
)
SPOKEN = ((BEGIN + 2.6 * DAY, (*ALWAYS, *MISSES)), (BEGIN + 8.3 * DAY, (*ALWAYS, *HITS)))
"""The second drill goes right, except for one sentence that is lost again."""


def stop(world: World, app: SimulatedApp, broken: int) -> Process:
    """Order the app to close test rooms, of which some are `broken`. It gets the events at once."""
    rooms = [f"test room {len(world.history.stop_drills)}-{number}" for number in range(4)]
    made = world.write(drills.order_stop, rooms, "lea", world.now)
    drill = StopDrill(made.id, world.now, dict.fromkeys(rooms), frozenset(rooms[:broken]))
    world.history.stop_drills.append(drill)
    world.history.acts += [Act(world.now, "lea", "case.decide", room) for room in rooms]
    world.line(len(rooms) + 1)
    app.take_now()
    yield world.now + STOP_SECONDS
    world.write(drills.end, made.id, "lea", world.now)
    world.line()
    drill.ended = world.now


def speak(world: World, delivery: Delivery, sentences: tuple[DrillSentence, ...]) -> Process:
    """Speak test sentences, each in a room of its own. Their messages arrive twice."""
    lines = [DrillLine(f"line {place}", one.language, one.label, "words") for place, one in enumerate(sentences)]
    made, rooms = world.write(drills.begin, lines, "lea", world.now)
    drill = DetectionDrill(made.id, world.now, sentences)
    world.history.detection_drills.append(drill)
    world.line()
    for room, sentence in zip(rooms, sentences, strict=True):
        yield world.now + SPEAK_SECONDS
        end = world.now
        world.write(drills.spoken, made.id, room, end)
        speech = list(_spoken(world, made.id, room, sentence))
        world.history.speech += speech
        messages: Batch = [(one, message) for one in speech for message in (status(one), flag(one))]
        for _ in range(2):
            delivery.add(messages)
    yield world.now + SPEAK_SECONDS
    world.write(drills.end, made.id, "lea", world.now)
    world.line()
    drill.ended = world.now


def _spoken(world: World, drill: str, room: str, sentence: DrillSentence) -> Iterator[WorldSpeech]:
    """Yield the utterances into which the segmenter cuts a sentence."""
    for place, suggestion in enumerate(sentence.suggestions):
        start = world.now - 4.0 * (len(sentence.suggestions) - place)
        yield WorldSpeech(
            number=1_000_000 + len(world.history.speech) + place,
            room=room,
            room_type="drill",
            speaker=f"speaker of {room}",
            start=start,
            end=start + 3.0,
            language=sentence.language,
            confidence=0.9,
            policy="default@1",
            model="model-a",
            violates=sentence.label,
            suggestion=suggestion,
            flagged=(sentence.label or "fraud",) if suggestion != "pass" else (),
            listeners=0,
            drill=drill,
        )
