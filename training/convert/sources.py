"""Where each public set comes from, its licence, and how its files become those that the training reads."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from training.convert import hate, offence, prompts, talk, trade
from training.convert.files import Cells

Converter = Callable[[Path], Iterator[Cells]]
"""Takes the folder of a download and yields the rows of a CSV file, all with the same columns."""

ROWS = "rows.csv"


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A set that others published."""

    address: str
    licence: str
    """Its SPDX name, and what else applies."""
    convert: Mapping[str, Converter]
    """The converter of each file that the training reads. Empty: it reads the authors' own file."""


SOURCES: Mapping[str, PublicSet] = {
    "cold": PublicSet("https://github.com/thu-coai/COLDataset", "Apache-2.0", {}),
    "davidson": PublicSet("https://github.com/t-davidson/hate-speech-and-offensive-language", "MIT", {}),
    "jigsaw": PublicSet(
        "https://kaggle.com/c/jigsaw-toxic-comment-classification-challenge",
        "CC0-1.0, texts CC-BY-SA-3.0",
        {ROWS: offence.jigsaw},
    ),
    "toxic_spans": PublicSet("https://github.com/ipavlopoulos/toxic_spans", "CC0-1.0", {ROWS: offence.toxic_spans}),
    "convabuse": PublicSet("https://github.com/amandacurry/convabuse", "CC-BY-4.0", {ROWS: offence.convabuse}),
    "diasafety": PublicSet("https://github.com/thu-coai/DiaSafety", "Apache-2.0", {ROWS: offence.diasafety}),
    "surge_toxicity": PublicSet("https://github.com/surge-ai/toxicity", "MIT", {ROWS: offence.surge}),
    "sms_spam": PublicSet("https://archive.ics.uci.edu/dataset/228/sms+spam+collection", "CC-BY-4.0", {}),
    "youtube_spam": PublicSet(
        "https://archive.ics.uci.edu/dataset/380/youtube+spam+collection", "CC-BY-4.0", {ROWS: trade.youtube_spam}
    ),
    "teleantifraud": PublicSet("https://github.com/JimmyMa99/TeleAntiFraud", "Apache-2.0", {ROWS: trade.teleantifraud}),
    "presidio_pii": PublicSet(
        "https://github.com/microsoft/presidio-research", "MIT, names CC-BY-SA-3.0-US", {ROWS: trade.presidio}
    ),
    "swsr": PublicSet("https://github.com/aggiejiang/SWSR", "MIT", {}),
    "edos": PublicSet("https://github.com/rewire-online/edos", "CC0-1.0", {}),
    "stormfront": PublicSet(
        "https://github.com/Vicomtech/hate-speech-dataset", "CC-BY-SA-3.0", {"sentences.csv": hate.stormfront}
    ),
    "implicit_hate": PublicSet("https://github.com/SALT-NLP/implicit-hate", "MIT", {ROWS: hate.implicit_hate}),
    "hatexplain": PublicSet("https://github.com/hate-alert/HateXplain", "MIT", {ROWS: hate.hatexplain}),
    "toxigen_seeds": PublicSet("https://github.com/microsoft/TOXIGEN", "MIT", {ROWS: hate.toxigen}),
    "identity_templates": PublicSet(
        "https://github.com/conversationai/unintended-ml-bias-analysis",
        "CC-BY-4.0",
        {ROWS: hate.identity_templates},
    ),
    "jade": PublicSet(
        "https://github.com/whitzard-ai/jade-db", "MIT", {ROWS: prompts.jade, "rules_zh.csv": prompts.jade_rules}
    ),
    "multijail": PublicSet(
        "https://github.com/DAMO-NLP-SG/multilingual-safety-for-LLMs", "MIT", {ROWS: prompts.multijail}
    ),
    "catqa": PublicSet("https://github.com/declare-lab/red-instruct", "Apache-2.0", {ROWS: prompts.catqa}),
    "simple_safety_tests": PublicSet(
        "https://github.com/bertiev/SimpleSafetyTests", "CC-BY-4.0", {ROWS: prompts.simple_safety}
    ),
    "ailuminate": PublicSet("https://github.com/mlcommons/ailuminate", "CC-BY-4.0", {ROWS: prompts.ailuminate}),
    "deccp": PublicSet("https://github.com/AUGMXNT/deccp", "Apache-2.0", {ROWS: prompts.deccp}),
    "cssrs_reddit": PublicSet(
        "https://github.com/AmanuelF/Suicide-Risk-Assessment-using-Reddit", "CC-BY-4.0", {ROWS: talk.cssrs}
    ),
    "kdconv": PublicSet("https://github.com/thu-coai/KdConv", "Apache-2.0", {ROWS: talk.kdconv}),
    "crosswoz": PublicSet("https://github.com/thu-coai/CrossWOZ", "Apache-2.0", {ROWS: talk.crosswoz}),
    "medical_zh": PublicSet("https://github.com/Toyhom/Chinese-medical-dialogue-data", "MIT", {ROWS: talk.medical}),
    "topical_chat": PublicSet("https://github.com/alexa/Topical-Chat", "CDLA-Sharing-1.0", {ROWS: talk.topical_chat}),
    "ami": PublicSet("https://github.com/Yale-LILY/QMSum", "CC-BY-4.0", {ROWS: talk.ami}),
    "vcsum": PublicSet("https://github.com/hahahawu/VCSum", "MIT", {ROWS: talk.vcsum}),
    "tencent_chat": PublicSet("https://arxiv.org/abs/1805.05542", "CC-BY-3.0", {ROWS: talk.tencent_chat}),
    "goemotions": PublicSet(
        "https://github.com/google-research/google-research/tree/master/goemotions",
        "CC-BY-4.0",
        {ROWS: talk.goemotions},
    ),
    "tatoeba": PublicSet("https://www.manythings.org/anki/cmn-eng.zip", "CC-BY-2.0-FR", {ROWS: talk.tatoeba}),
}
