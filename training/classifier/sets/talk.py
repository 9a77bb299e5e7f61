"""Ordinary talk, presumed to be clean, and talk of people in distress.

The ordinary talk is not annotated for our labels. A simple word rule leaves out suspicious lines.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

from pipeline.learning.training_rows import CLEAN, Row, negative, positive
from training.classifier.files import read_csv

WEIGHT = 0.5
SUSPECT = re.compile(
    r"\b(?:fuck\w*|shit\w*|bitch\w*|rap(?:e[ds]?|ist)|porn\w*|suicid\w*|kill (?:my|your)self|nazis?)\b"
    r"|自杀|轻生|割腕|去死|弄死|强奸|色情|嫖|婊|傻逼|妈的|他妈|滚蛋",
    re.IGNORECASE,
)

DOUBTFUL = re.compile(
    SUSPECT.pattern
    + r"|\b(?:kill\w*|murder\w*|die[ds]?|dead|dying|death|shoot\w*|shot|guns?|bombs?|stab\w*|hurt you|beat you|hang"
    r"|hate\w*|stupid|idiots?\w*|morons?|fools?|dumb\w*|ugly|losers?|liars?|pathetic|cowards?|pigs?|ass(?:es|holes?)?"
    r"|damn\w*|bastards?|cunts?|twats?|dicks?|retard\w*|filthy|useless|worthless|disgust\w*|sham\w*|crap|suck\w*"
    r"|screw you|go to hell|shut up|sex\w*|naked|nudes?|kiss\w*|virgins?|drugs?|weed|cocaine|heroin|drunk|steal\w*"
    r"|rob\w*|blackmail|slaves?|gays?|lesbians?|(?:black|white) people|jews?|jewish|muslims?|immigrants?|terroris\w*"
    r"|passwords?|address|phone number)\b"
    r"|杀|砍|死|活|尸|枪|炸|毒|赌|骗|滚|操|逼|屌|屁|贱|傻|蠢|笨|丑|恶心|垃圾|畜|狗|猪|变态|混蛋|王八|不要脸|脑残|讨厌|可怜|跪|屎|自私"
    r"|性|胸|奶|裸|处女|做爱|上床|床上|开房|约[吗么吧炮]|色|鸡巴|睡[我你她他]|包养|陪|摸|女[人的]|男[人的]|美女|妹|妞|萝莉|丝袜|一夜|同志|基友|同性恋"
    r"|微信|微博|[Qq]{2}|电话|手机号|号码|加我|私我|代购|淘宝|兼职|赚钱|贷款|代发|\d{5}"
    r"|政府|党|主席|民主|台独|日本人|鬼子|棒子|黑人|回民|穆斯林",
    re.IGNORECASE,
)
"""For sets of many subjects, whose lines nobody chose for being harmless."""
COLD_LABELS = ("ads_spam", "fraud", "illegal_trade", "privacy")
"""Labels that no emotion leads to."""


def kdconv(folder: Path) -> Iterator[Row]:
    """KdConv (Zhou et al. 2020, Apache-2.0): chat about films, music and travel."""
    return presumed(folder / "kdconv" / "rows.csv", "zh")


def crosswoz(folder: Path) -> Iterator[Row]:
    """CrossWOZ (Zhu et al. 2020, Apache-2.0): questions about sights, restaurants, hotels, with many addresses and
    numbers.
    """
    return presumed(folder / "crosswoz" / "rows.csv", "zh")


def topical_chat(folder: Path) -> Iterator[Row]:
    """Topical-Chat (Gopalakrishnan et al. 2019, CDLA-Sharing-1.0), as written and as a recogniser heard it."""
    for row, own, room in turns(folder / "topical_chat" / "rows.csv"):
        for text in dict.fromkeys((row["text"], row["heard_b"])):
            if text and not SUSPECT.search(text):
                yield Row(text, "en", CLEAN, weight=WEIGHT, group=row["dialogue"], own=own, room=room)


def ami(folder: Path) -> Iterator[Row]:
    """AMI (Carletta et al. 2005, CC-BY-4.0; from QMSum, Zhong et al. 2021): people speak freely in meetings."""
    for row in read_csv(folder / "ami" / "rows.csv"):
        if not SUSPECT.search(row["text"]):
            yield Row(row["text"], "en", CLEAN, weight=WEIGHT, group=row["dialogue"])


def vcsum(folder: Path) -> Iterator[Row]:
    """VCSum (Wu et al. 2023, MIT): people speak freely in meetings, as a recogniser heard them."""
    for row in read_csv(folder / "vcsum" / "rows.csv"):
        if not SUSPECT.search(row["text"]):
            yield Row(row["text"], "zh", CLEAN, weight=WEIGHT, group=row["dialogue"])


def tencent_chat(folder: Path) -> Iterator[Row]:
    """Tencent's corpus of chat (Li et al. 2018, CC-BY-3.0): what people write to start or keep up a conversation."""
    for row in read_csv(folder / "tencent_chat" / "rows.csv"):
        if not DOUBTFUL.search(row["text"]):
            yield Row(row["text"], "zh", CLEAN, weight=WEIGHT)


def goemotions(folder: Path) -> Iterator[Row]:
    """GoEmotions (Demszky et al. 2020, CC-BY-4.0): comments on Reddit.

    Only friendly ones are presumed to be free of abuse, and all of them to be no adverts.
    """
    for row in read_csv(folder / "goemotions" / "rows.csv"):
        if not DOUBTFUL.search(row["text"]):
            labels = CLEAN if int(row["friendly"]) else negative(*COLD_LABELS)
            yield Row(row["text"], "en", labels, weight=WEIGHT)


def tatoeba(folder: Path) -> Iterator[Row]:
    """Tatoeba (its contributors, CC-BY-2.0-FR): short sentences to somebody, in both languages.

    A doubtful English sentence also leaves out its Mandarin translation.
    """
    for row in read_csv(folder / "tatoeba" / "rows.csv"):
        if not DOUBTFUL.search(row["pair"]):
            yield Row(row["text"], row["language"], CLEAN, weight=WEIGHT, group=row["pair"])


def medical(folder: Path) -> Iterator[Row]:
    """Chinese medical dialogue (MIT): patients speak of bodies, drugs and sleeping pills."""
    for row in read_csv(folder / "medical_zh" / "rows.csv"):
        if not SUSPECT.search(row["text"]):
            yield Row(row["text"], "zh", CLEAN, weight=WEIGHT)


def cssrs(folder: Path) -> Iterator[Row]:
    """Reddit C-SSRS (Gaur et al. 2019, CC-BY-4.0), annotated by experts. Comfort for others is the hard negative."""
    for row in read_csv(folder / "cssrs_reddit" / "rows.csv"):
        if row["label"] in {"ideation", "behavior", "attempt"}:
            yield Row(row["text"], "en", positive("self_harm"))
        elif row["label"] != "indicator":
            weight = 1.0 if row["label"] == "supportive" else 0.5
            yield Row(row["text"], "en", negative("self_harm"), weight=weight)


def presumed(path: Path, language: str) -> Iterator[Row]:
    for row, own, room in turns(path):
        if not SUSPECT.search(row["text"]):
            yield Row(row["text"], language, CLEAN, weight=WEIGHT, group=row["dialogue"], own=own, room=room)


def turns(path: Path) -> Iterator[tuple[Mapping[str, str], str, str]]:
    """Each row of a file of dialogues between two people, with the speaker's last turn and the other's."""
    for _, rows in groupby(read_csv(path), key=lambda row: row["dialogue"]):
        own = room = ""
        for row in rows:
            yield row, own, room
            own, room = room, row["text"]
