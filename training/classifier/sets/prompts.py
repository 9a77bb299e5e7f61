"""Sets of requests to language models. They are typed, not spoken, and all risky, so they get a low weight."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.learning.training_rows import CLEAN, Row, negative, positive
from training.classifier.files import read_csv

WEIGHT = 0.15

JADE_KINDS: Mapping[str, tuple[str, ...]] = {
    "illegal_trade": (
        "贩卖毒品",
        "赌博与开设赌场",
        "赌博或开设赌场",
        "非法伪造",
        "非法走私",
        "非法持有武器",
        "贩卖赃物",
        "虐待与贩卖人口",
    ),
    "fraud": ("诈骗", "网络欺诈与犯罪"),
    "terror_extremism": ("宣扬恐怖主义、极端主义",),
    "violence": ("故意伤害他人", "抢劫", "勒索", "宣扬暴力"),
    "sexual": ("宣扬淫秽色情", "宣扬暴力、淫秽色情"),
    "privacy": ("侵害他人隐私权", "侵害他人个人信息权益", "非法获取私人信息", "侵害他人肖像权"),
    "political_sensitive": ("危害国家利益、损害国家形象", "侵害国家利益、侵害国家形象"),
    "hate": (
        "宣扬民族歧视",
        "性别歧视内容",
        "民族歧视内容",
        "国别歧视内容",
        "地域歧视内容",
        "健康歧视内容",
        "信仰歧视内容",
        "肤色歧视内容",
    ),
}
MULTIJAIL_TAGS = {
    "Violence & incitement": ("violence",),
    "Weapons": ("violence", "illegal_trade"),
    "Hate speech & offensive language": ("hate",),
    "Discrimination & injustice": ("hate",),
    "Bullying & harassment": ("abuse",),
    "Adult content": ("sexual",),
    "Sexual exploitation & human trafficking": ("sexual", "illegal_trade"),
    "Substance abuse & banned substances": ("illegal_trade",),
    "Self-harm": ("self_harm",),
    "Child abuse": ("minor_safety",),
    "Terrorism & organized crime": ("terror_extremism",),
    "Fraud & deception": ("fraud",),
    "Soliciting personally identifiable information": ("privacy",),
}
CATQA_KINDS: Mapping[str, tuple[str, ...]] = {
    "illegal_trade": ("Drug", "Weapon", "Human Trafficking", "Counterfeiting"),
    "minor_safety": ("Content Sexual exploitation", "Online predation"),
    "hate": ("Racial or ethnic hate", "Religious intolerance"),
    "abuse": ("Cyberbullying",),
    "violence": ("Gender-based violence", "Assault and battery"),
    "terror_extremism": ("Terrorism and extremism",),
    "self_harm": ("Self-harm",),
    "fraud": (
        "Financial fraud",
        "Employment scams",
        "Investment scams",
        "Phishing",
        "Scamming",
        "Identity theft",
    ),
    "sexual": ("Pornography", "Erotic text", "Sexually explicit dialogue"),
    "privacy": ("Data theft", "Surveillance"),
}
SIMPLE_AREAS = {
    "Suicide, Self-Harm, and Eating Disorders": "self_harm",
    "Physical harm and Violence": "violence",
    "Illegal and Highly Regulated items": "illegal_trade",
    "Scams and fraud": "fraud",
    "Child safety": "minor_safety",
}

AILUMINATE_HAZARDS = {
    "cse": "minor_safety",
    "hte": "hate",
    "prv": "privacy",
    "src": "sexual",
    "ssh": "self_harm",
    "sxc_prn": "sexual",
    "vcr": "violence",
}


def jade(folder: Path) -> Iterator[Row]:
    """JADE-DB (MIT): requests by kind of offence, and rules of conduct, which are clean."""
    kinds = _inverted(JADE_KINDS)
    for row in read_csv(folder / "jade" / "rows.csv"):
        labels = {kinds[kind] for kind in row["subkind"].split("|") if kind in kinds}
        if labels:
            yield Row(row["text"], row["language"], positive(*labels), weight=WEIGHT)
    for row in read_csv(folder / "jade" / "rules_zh.csv"):
        yield Row(row["text"], "zh", CLEAN)


def multijail(folder: Path) -> Iterator[Row]:
    """MultiJail (Deng et al. 2024, MIT): the English and Mandarin versions of a request stay on one side."""
    for row in read_csv(folder / "multijail" / "rows.csv"):
        labels = {label for tag in row["tags"].split("; ") for label in MULTIJAIL_TAGS.get(tag, ())}
        if labels:
            yield Row(row["text"], row["language"], positive(*labels), weight=WEIGHT, group=row["id"])


def catqa(folder: Path) -> Iterator[Row]:
    """CatQA (Bhardwaj et al. 2024, Apache-2.0): harmful questions by category."""
    kinds = _inverted(CATQA_KINDS)
    for row in read_csv(folder / "catqa" / "rows.csv"):
        if label := kinds.get(row["subcategory"]):
            yield Row(row["text"], row["language"], positive(label), weight=WEIGHT)


def simple_safety(folder: Path) -> Iterator[Row]:
    """SimpleSafetyTests (Vidgen et al. 2023, CC-BY-4.0). We train on it, so we report no figures for it."""
    for row in read_csv(folder / "simple_safety_tests" / "rows.csv"):
        yield Row(row["text"], "en", positive(SIMPLE_AREAS[row["harm_area"]]), weight=WEIGHT)


def ailuminate(folder: Path) -> Iterator[Row]:
    """AILuminate demo prompts (Ghosh et al. 2025, CC-BY-4.0): written by people to draw a model into a hazard.

    Some ask for help, so `risk` is unknown.
    """
    for row in read_csv(folder / "ailuminate" / "rows.csv"):
        yield Row(row["text"], "en", {AILUMINATE_HAZARDS[row["hazard"]]: 1.0}, weight=WEIGHT)


def deccp(folder: Path) -> Iterator[Row]:
    """deccp (Apache-2.0): questions about Chinese politics. `risk` is masked, because it depends on the operator."""
    for row in read_csv(folder / "deccp" / "rows.csv"):
        others = negative(*(label for label in CLEAN if label not in {"political_sensitive", "risk"}))
        yield Row(row["text"], "en", others | {"political_sensitive": float(row["refused"])}, weight=0.5)


def _inverted(kinds: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    return {theirs: ours for ours, names in kinds.items() for theirs in names}
