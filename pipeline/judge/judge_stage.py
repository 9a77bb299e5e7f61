"""The judge stage: takes transcripts and sounds, and gives one flag for each, also for clean ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, get_args

from pipeline import settings
from pipeline.base.errors import ConfigError, DependencyError
from pipeline.base.metrics import Metrics, from_zero
from pipeline.base.recent_dict import RecentDict
from pipeline.contract.messages import Flag, Sound, Source, SpeechStatus, Suggestion, Transcript
from pipeline.contract.speech_status import skipped
from pipeline.contract.stage import BEHIND_SECONDS, Backlog, Processor, Rejected
from pipeline.judge import labels, lexicon, moderation_policy, verdict
from pipeline.judge.classifier import Classifier, load_classifier
from pipeline.judge.conversations import Conversations
from pipeline.judge.detection import Detection, Detector, Terms
from pipeline.judge.flagger import Flagger, SoundFlagger
from pipeline.judge.labels import Labels
from pipeline.judge.matcher import Matcher
from pipeline.judge.moderation_policy import PolicyResolver
from pipeline.judge.rule_texts import RuleSet
from pipeline.judge.shadow import Shadow, ShadowModel
from pipeline.judge.speaker_memory import CoolDowns
from pipeline.judge.withheld_flags import Pairs, Release

ACTIVE = ""
"""The key of the active policy's memory. A shadow's key is its version."""
CANDIDATE = "candidate"
"""The key of the shadow model's memory."""

EARLY_FLAGS = 10_000
"""Speakers whose last flag of the words so far is remembered."""

SILENT_SECONDS = 600.0
"""Words of a room are forgotten after one to two times this, by the clock, if nobody speaks there."""

TENTHS = tuple(f"{tenth / 10:.1f}" for tenth in range(10))
"""The lower bounds of the tenths of a score."""


@dataclass(frozen=True, slots=True)
class PolicyMemory:
    """What a policy has decided about speakers."""

    words: CoolDowns = field(default_factory=CoolDowns)
    """The blocks for words. Words and sounds come in no certain order, so the blocks for sounds are kept apart."""
    sounds: CoolDowns = field(default_factory=CoolDowns)
    pairs: Pairs = field(default_factory=Pairs)


@dataclass(frozen=True, slots=True)
class JudgeConfig:
    """Labels, lexicons and policies, read from the users' YAML files or from a published release."""

    labels: Labels
    matcher: Matcher
    policy: PolicyResolver
    shadows: tuple[RuleSet, ...] = ()
    """Each may have terms of its own."""
    model_policy: PolicyResolver | None = None
    """The policy for the scores of the shadow model. None: the active one."""

    def now(self) -> "JudgeConfig":
        """These rules never change."""
        return self

    def close(self) -> None: ...


class Rules(Protocol):
    """Gives the rules that the judge is to use now. They may change when a version is published."""

    def now(self) -> JudgeConfig: ...

    def close(self) -> None: ...


class Judge(Processor[Transcript | Sound, Flag | SpeechStatus]):
    """Classifier and lexicons detect; the policy decides. Shadow policies only count their decisions.

    A new version of the rules applies from the next batch on, so all flags of a batch come from one version.
    """

    def __init__(
        self, rules: Rules, classifier: Classifier, metrics: Metrics, candidate: Classifier | None = None
    ) -> None:
        """`candidate` is the model that judges in the shadow of `classifier`."""
        self._rules, self._classifier, self._metrics, self._candidate = rules, classifier, metrics, candidate
        self._memories: dict[str, PolicyMemory] = {}
        self._conversations = Conversations()
        self._early_flags = RecentDict[tuple[str, str], Flag](EARLY_FLAGS)
        self._sweep_at = 0.0
        self._is_behind = False
        from_zero(metrics.flags, get_args(Suggestion), get_args(Source))
        from_zero(metrics.context, ("same", "raised"))
        metrics.classifier.labels(classifier.name).set(1)
        self._take(rules.now())

    @property
    def model(self) -> str:
        """The name of the classifier."""
        return self._classifier.name

    def process(self, batch: Sequence[Transcript | Sound]) -> list[Flag | SpeechStatus | Rejected]:
        """One flag for each transcript and each sound; a status for speech that was not transcribed.

        Words so far have a flag only if it is a new suggestion to review or block.
        """
        if (config := self._rules.now()) is not self._config:
            self._take(config)
        released: list[Flag] = []
        sounds = [self._judge_sound(message, released) for message in batch if isinstance(message, Sound)]
        words = [message for message in batch if isinstance(message, Transcript)]
        early = self._judge_early([transcript for transcript in words if transcript.early])
        flags = self._judge_all([transcript for transcript in words if not transcript.early], released)
        return [*early, *flags, *sounds, *released]

    def _judge_early(self, batch: Sequence[Transcript]) -> list[Flag]:
        """The flags of words so far. They count nowhere and are no context: the whole utterance is, once."""
        if self._is_behind:  # the whole utterances wait, and say more
            return []
        detections = self._detector.detect(batch, self._conversations.follow(batch)) if batch else []
        flags = [self._flagger.flag(*each) for each in zip(batch, detections, strict=True)]
        return [flag for flag in flags if flag.suggestion != "pass" and self._is_news(flag)]

    def _is_news(self, flag: Flag) -> bool:
        """Whether no earlier words of the same utterance have a flag that is as severe. Remembers this one."""
        last = self._early_flags.get((flag.room, flag.speaker))
        if last and last.id == flag.id and verdict.ORDER.index(last.suggestion) >= verdict.ORDER.index(flag.suggestion):
            return False
        self._early_flags[flag.room, flag.speaker] = flag
        return True

    def behind(self, backlog: Backlog) -> None:
        self._is_behind = backlog.waited > BEHIND_SECONDS

    def _judge_all(self, batch: Sequence[Transcript], released: list[Flag]) -> list[Flag | SpeechStatus | Rejected]:
        transcribed = [transcript for transcript in batch if not transcript.skipped]
        before = self._conversations.follow(transcribed)
        detections = self._detector.detect(transcribed, before)
        flags = [self._judge(*each, released) for each in zip(transcribed, detections, strict=True)]
        if self._shadow_model:
            self._shadow_model.watch(transcribed, before, flags)
        return [*flags, *(skipped(each) for each in batch if each.skipped)]

    def tick(self, now: float) -> list[Flag | SpeechStatus | Rejected]:
        """Forget the words of rooms that have fallen silent. The clock decides nothing else here."""
        if now >= self._sweep_at:
            self._conversations.sweep()
            self._sweep_at = now + SILENT_SECONDS
        return []

    def close(self) -> None:
        self._rules.close()

    def _take(self, config: JudgeConfig) -> None:
        """Use these rules. Cool-downs go on, because they belong to the speakers."""
        self._config, metrics = config, self._metrics
        self._detector = Detector(self._classifier, config.matcher)
        versions = {ACTIVE, CANDIDATE, *(each.policy.version for each in config.shadows)}
        # The memory of a shadow that is gone is dropped.
        self._memories = {version: self._memories.get(version, PolicyMemory()) for version in versions}
        self._flagger = self._flagger_of(config.policy, ACTIVE)
        self._sound_flagger = self._sound_flagger_of(config.policy, ACTIVE)
        self._shadows = [
            Shadow(
                self._flagger_of(each.policy, each.policy.version),
                metrics,
                # None: the same terms give the same matches.
                None if each.matcher is config.matcher else Terms(each.matcher, self._classifier),
                self._sound_flagger_of(each.policy, each.policy.version),
                pairs=self._memories[each.policy.version].pairs,
            )
            for each in config.shadows
        ]
        self._shadow_model = self._shadow_model_of(config)
        from_zero(metrics.labels, config.labels.labels)
        from_zero(metrics.scores, config.labels.labels, TENTHS)
        from_zero(metrics.both, config.policy.need_both(), ("words", "ear"), ("withheld", "released"))
        metrics.policy.clear()  # else the version before would stay
        metrics.policy.labels(config.policy.version).set(1)

    def _shadow_model_of(self, config: JudgeConfig) -> ShadowModel | None:
        if self._candidate is None:
            return None
        flagger = Flagger(
            config.model_policy or config.policy, config.labels, self._candidate.name, self._memories[CANDIDATE].words
        )
        return ShadowModel(Detector(self._candidate, config.matcher), flagger, self._metrics)

    def _flagger_of(self, policy: PolicyResolver, memory: str) -> Flagger:
        return Flagger(policy, self._config.labels, self._classifier.name, self._memories[memory].words)

    def _sound_flagger_of(self, policy: PolicyResolver, memory: str) -> SoundFlagger:
        return SoundFlagger(policy, self._config.labels, self._memories[memory].sounds)

    def _judge(self, transcript: Transcript, detection: Detection, released: list[Flag]) -> Flag:
        """Return the flag of a transcript. Adds the flags that it releases to `released`."""
        again = partial(self._flagger.flag, transcript, detection)
        flag = again()
        self._count(flag, detection)
        self._release(flag, again, released)
        for shadow in self._shadows:
            shadow.watch(transcript, detection, flag)
        return flag

    def _judge_sound(self, sound: Sound, released: list[Flag]) -> Flag:
        """Return the flag of a sound. Adds the flags that it releases to `released`."""
        again = partial(self._sound_flagger.flag, sound)
        flag = again()
        self._count_flag(flag)
        self._release(flag, again, released)
        for shadow in self._shadows:
            shadow.watch_sound(sound, flag)
        return flag

    def _release(self, flag: Flag, again: Release, released: list[Flag]) -> None:
        for each in self._memories[ACTIVE].pairs.meet(flag, again):
            self._count_flag(each.flag, each.before)
            released.append(each.flag)

    def _count(self, flag: Flag, detection: Detection) -> None:
        self._count_flag(flag)
        if detection.in_context:
            self._metrics.context.labels("raised" if verdict.from_context(flag.reasons) else "same").inc()
        for label, score in flag.labels.items():
            # A score of 1 counts in the last tenth.
            self._metrics.scores.labels(label, TENTHS[min(int(score * 10), 9)]).inc()

    def _count_flag(self, flag: Flag, before: Sequence[Flag] = ()) -> None:
        """Count a flag. If a flag `before` of the same message was not passed, it counts only with its new labels."""
        counted = [each for each in before if each.suggestion != "pass"]
        if not counted:
            self._metrics.flags.labels(flag.suggestion, flag.source).inc()
        if flag.suggestion != "pass":
            for label in flag.flagged:
                if all(label not in each.flagged for each in counted):
                    self._metrics.labels.labels(label).inc()
        for label in flag.withheld:
            self._metrics.both.labels(label, flag.source, "withheld").inc()
        if flag.released:
            self._metrics.both.labels(flag.released, flag.source, "released").inc()


def build(all_settings: settings.Settings, metrics: Metrics, rules: Rules | None = None) -> Judge:
    """The judge for these settings. Without `rules`, it uses the settings' files. Raises ConfigError."""
    chosen = all_settings.judge
    return Judge(rules or read_config(chosen), load_classifier(chosen), metrics, _candidate(chosen))


def read_config(chosen: settings.JudgeSettings) -> JudgeConfig:
    """Read labels, lexicons and policies, without loading a model; raises ConfigError, which names file and key."""
    known = labels.load_labels(chosen.labels)
    lexicons = lexicon.load_lexicons(chosen.lexicons, known)
    shadows = [moderation_policy.load_policy(name, known, lexicons) for name in chosen.shadow_policies]
    matcher = lexicon.compile_terms(lexicons)
    return JudgeConfig(
        known,
        matcher,
        moderation_policy.load_policy(chosen.policy, known, lexicons),
        tuple({each.version: RuleSet(each, matcher) for each in shadows}.values()),  # two names may be one policy
        moderation_policy.load_policy(chosen.shadow_model_policy, known, lexicons)
        if chosen.shadow_model_policy
        else None,
    )


def _candidate(chosen: settings.JudgeSettings) -> Classifier | None:
    if chosen.shadow_model is None:
        return None
    try:
        # `judge.label_map` maps the labels of `judge.model`, not of this model.
        return load_classifier(chosen.model_copy(update={"model": chosen.shadow_model, "label_map": None}))
    except (ConfigError, DependencyError) as error:  # it names the setting that it knows
        raise type(error)(error.what.replace("judge.model", "judge.shadow_model"), error.remedy) from error
