"""Spanish is added as one folder beside the configuration file, without a change of code."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.commands.command_line import app
from pipeline.contract.messages import Flag
from pipeline.judge.judge_stage import read_config
from pipeline.judge.rule_warnings import find_warnings
from pipeline.settings import JudgeSettings, Settings, load
from pipeline.speech import languages
from pipeline.speech.asr.hallucinations import HallucinationGuards
from pipeline.speech.asr.hypothesis import Hypothesis, is_suspicious
from pipeline.speech.asr.whisper_recogniser import first_search
from pipeline.speech.languages import Language
from tests.builders import transcript
from tests.pipeline.console.conftest import Enter
from tests.pipeline.judge.fakes import judge_of
from tests.pipeline.speech.asr.parts import recognition

SETTINGS = """
asr: {languages: [en, es]}
judge: {lexicons: [en, es]}
"""
FILES = {
    "language.yaml": """
        name: Español
        tag: es-419
        recogniser: {beam: 2, sure_logprob: -0.8, tokens_per_second: 9}
        silence_phrases:
          credits: [subtítulos por la comunidad de amara.org]
          doubtful: [gracias, suscríbete a*]
    """,
    "lexicon.yaml": "groups: [{label: violence, level: high, terms: [te voy a matar], unless: [en el juego]}]",
    "console.yaml": "{queue: {title: Cola}, desk: {count: '{n} abiertos'}}",
}


@pytest.fixture
def spanish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    folder = tmp_path / "languages" / "es"
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_text(content, "utf-8")
    config = tmp_path / "voxwarden.yaml"
    config.write_text(SETTINGS)
    monkeypatch.setenv("VOXWARDEN_CONFIG", str(config))
    return load({"data_dir": tmp_path / "data"})


def test_the_settings_accept_it_and_leave_no_doubt(spanish: Settings) -> None:
    assert spanish.asr.languages == ("en", "es")
    assert list(find_warnings(spanish, read_config(spanish.judge))) == []
    assert languages.known() == ("en", "es", "zh")


def test_a_lexicon_that_the_settings_do_not_name_is_a_doubt(spanish: Settings) -> None:
    unnamed = spanish.model_copy(update={"judge": JudgeSettings(lexicons=("en",))})
    unused, hardly_judged = find_warnings(unnamed, read_config(unnamed.judge))
    assert "languages/es/lexicon.yaml is not used: judge.lexicons does not name es." in unused
    assert "es is transcribed, but barely judged" in hardly_judged


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("language.yaml", "recogniser: {beams: 2}", "es/language.yaml: recogniser.beams: "),
        ("lexicon.yaml", "groups: [{label: rude, level: low, terms: [x]}]", "es/lexicon.yaml: groups.0.label: "),
        ("console.yaml", "queue: {titel: Cola}", "es/console.yaml: the console has no text queue.titel"),
    ],
)
def test_config_check_names_a_mistake(spanish: Settings, name: str, content: str, said: str) -> None:
    (languages.own_folder() / "es" / name).write_text(content, "utf-8")
    checked = CliRunner().invoke(app, ["config", "check"])
    assert said in str(checked.exception)


def test_config_check_is_content(spanish: Settings) -> None:
    checked = CliRunner().invoke(app, ["config", "check"])
    assert checked.stderr.startswith("ok: ")


@pytest.mark.parametrize("text", ["Te voy a matar.", "oye TÉ VÓY A MATÁR", "te voy a m4tar"])
def test_its_terms_are_flagged_with_the_default_thresholds(spanish: Settings, text: str) -> None:
    (flag,) = judge_of(config=read_config(spanish.judge)).process([transcript(text, language="es")])
    assert isinstance(flag, Flag)
    assert (flag.suggestion, flag.flagged) == ("review", ("violence",))


def test_its_exceptions_and_ordinary_words_pass(spanish: Settings) -> None:
    said = [transcript(text, language="es") for text in ("te voy a matar en el juego", "voy a la tienda")]
    found = judge_of(config=read_config(spanish.judge)).process(said)
    assert [flag.suggestion for flag in found if isinstance(flag, Flag)] == ["pass", "pass"]


def test_the_classifiers_scores_count_as_in_every_language(spanish: Settings) -> None:
    judge = judge_of({"odio": {"hate": 0.97}}, read_config(spanish.judge))
    (flag,) = judge.process([transcript("cuánto odio", language="es")])
    assert isinstance(flag, Flag)
    assert (flag.suggestion, flag.flagged) == ("review", ("hate",))


@pytest.mark.usefixtures("spanish")
def test_its_silence_phrases_mark_an_utterance() -> None:
    guards = HallucinationGuards()
    credit = recognition("¡Subtítulos por la comunidad de Amara.org!", language="es")
    assert guards.marks(credit) == ("silence_phrase",)
    assert guards.marks(recognition("Gracias.", language="es")) == ()
    assert guards.marks(recognition("Gracias.", language="es", no_speech=0.5)) == ("silence_phrase",)
    assert guards.marks(recognition("Thanks for watching.")) == ("silence_phrase",)


@pytest.mark.usefixtures("spanish")
def test_the_recogniser_has_its_settings() -> None:
    unsure = Hypothesis("es", (1, 2), "hola", -0.9, no_speech=0.1, seconds=1.0)
    assert is_suspicious(unsure)
    assert not is_suspicious(Hypothesis("fr", (1, 2), "salut", -0.9, no_speech=0.1, seconds=1.0))
    assert Hypothesis("es", (1,) * 16, "hola", -0.1, no_speech=0.1, seconds=1.0).hasty
    assert (first_search("es").beam, first_search("fr").beam) == (2, 5)


@pytest.mark.usefixtures("spanish")
def test_the_console_speaks_it_and_says_the_rest_in_english(enter: Enter) -> None:
    ana = enter("ana")
    assert '<option value="es">Español</option>' in ana.get("/me").text
    assert ana.post("/me/preferences", data={"language": "es"}).status_code == 303
    page = ana.get("/queue").text
    assert '<html lang="es-419"' in page
    assert ">Cola</h1>" in page
    assert ">0 abiertos</span>" in page
    assert "Sign out" in page


@pytest.mark.usefixtures("spanish")
def test_a_browser_in_spanish_needs_no_choice(enter: Enter) -> None:
    page = enter("ana").get("/queue", headers={"accept-language": "es-MX,es;q=0.9,en;q=0.8"}).text
    assert "Cola" in page


@pytest.mark.usefixtures("spanish")
def test_a_language_without_texts_cannot_be_chosen(enter: Enter) -> None:
    refused = enter("ana").post("/me/preferences", data={"language": "fr"})
    assert refused.status_code == 422
    assert "The console has no texts in this language." in refused.text


def test_a_language_without_a_folder_has_the_defaults(spanish: Settings) -> None:
    assert languages.read_language("fr") == Language()
    (flag,) = judge_of(config=read_config(spanish.judge)).process([transcript("i will kill you", language="fr")])
    assert isinstance(flag, Flag)
    assert flag.suggestion == "review"
