"""A person's own page: preferences, password and one-time codes."""

import re

import pyotp
import pytest

from pipeline.console import account_page
from pipeline.console.keyboard import KEYS
from pipeline.review import audit_log
from pipeline.review.accounts import accounts, passwords
from pipeline.review.accounts.accounts import Account, Preferences, ViewingLimits
from pipeline.review.accounts.login_limits import ALLOWED
from tests.builders import NOON
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.review.people import PASSWORD

NEW = "a wholly new pass phrase"
CODE = re.compile(r'<li class="mono">([a-z2-7]{4}(?:-[a-z2-7]{4}){3})</li>')
SECRET = re.compile(r'name="secret" value="([A-Z2-7]{32})"')

pytestmark = pytest.mark.usefixtures("cheap_hashes")


def account(console: Console, name: str = "ana") -> Account:
    with console.database.read() as connection:
        found = accounts.find_account(connection, name)
    assert found is not None
    return found


def give_password(console: Console) -> None:
    with console.database.write() as connection:
        accounts.change_account(connection, "ana", NOON, "test", password=passwords.hash_new_password(PASSWORD, "ana"))


def test_a_form_changes_only_the_preferences_that_it_names(console: Console, enter: Enter) -> None:
    kept = Preferences(language="zh", remapped={"next": "z"}, comfort=ViewingLimits(soften=True))
    with console.database.write() as connection:
        accounts.store_preferences(connection, "ana", kept)
    ana = enter("ana")
    assert ana.post("/me/preferences", data={"theme": "dark"}).headers["location"] == "/me"
    assert ana.post("/me/preferences", data={"keys": "off", "density": "compact"}).status_code == 303
    found = account(console).preferences
    assert (found.theme, found.keys, found.density) == ("dark", False, "compact")
    assert (found.language, found.remapped, found.comfort) == (kept.language, kept.remapped, kept.comfort)
    assert account(console, "ben").preferences == Preferences()


@pytest.mark.parametrize(
    ("field", "chosen", "shown"), [("language", "zh", 'lang="zh'), ("theme", "dark", 'data-theme="dark')]
)
def test_a_choice_holds_until_the_browser_decides_again(enter: Enter, field: str, chosen: str, shown: str) -> None:
    ana = enter("ana")
    page = ana.get("/me").text
    assert shown not in page
    [as_browser] = re.findall(rf'name="{field}"><option value="([^"]*)" selected>', page)
    ana.post("/me/preferences", data={field: chosen})
    page = ana.get("/me").text
    assert shown in page
    assert f'<option value="{chosen}" selected>' in page
    ana.post("/me/preferences", data={field: as_browser})
    assert ana.get("/me").text.partition("<main")[0].count(shown) == 0


@pytest.mark.parametrize("form", [{"language": "xx"}, {"language": "../"}, {"theme": "pink"}, {"keys": "maybe"}])
def test_unknown_preferences_are_refused(console: Console, enter: Enter, form: dict[str, str]) -> None:
    assert enter("ana").post("/me/preferences", data=form).status_code == 422
    assert account(console).preferences == Preferences()


def test_a_new_password_needs_the_old_one_and_signs_out_everywhere(console: Console, enter: Enter) -> None:
    give_password(console)
    ana, elsewhere = enter("ana"), enter("ana")
    for form in ({"old": "wrong", "new": NEW}, {"old": PASSWORD, "new": "short"}, {"old": "", "new": NEW}):
        assert ana.post("/me/password", data=form).status_code == 422
    assert passwords.password_fits(PASSWORD, account(console).password)
    changed = ana.post("/me/password", data={"old": PASSWORD, "new": NEW})
    assert (changed.status_code, changed.headers["location"]) == (303, "/login")
    assert [client.get("/queue").status_code for client in (ana, elsewhere)] == [401, 401]
    signed = [enter("").post("/login", data={"name": "ana", "password": word}).status_code for word in (PASSWORD, NEW)]
    assert signed == [401, 303]


def test_wrong_old_passwords_have_a_limit_and_are_logged(console: Console, enter: Enter) -> None:
    give_password(console)
    ana, burst = enter("ana"), ALLOWED["account"].burst
    forms = {"/me/password": {"old": "wrong", "new": NEW}, "/me/totp": {"password": "wrong"} | totp()}
    for n in range(burst):
        path = sorted(forms)[n % 2]
        assert ana.post(path, data=forms[path]).status_code == 422
    for path, form in forms.items():  # both share the limit
        limited = ana.post(path, data=form)
        assert (limited.status_code, limited.headers["retry-after"]) == (429, "60")
    with console.database.read() as connection:
        logged = [line.action for line in audit_log.newest_lines(connection, actor="ana")]
    assert sorted(set(logged)) == ["password.refused", "totp.refused"]
    assert len(logged) == burst
    console.clock.now += ALLOWED["account"].seconds
    assert ana.post("/me/password", data={"old": PASSWORD, "new": NEW}).status_code == 303


@pytest.mark.parametrize("new", ["password1234", "correct ana battery staple"])
def test_a_password_that_is_easy_to_guess_is_refused(console: Console, enter: Enter, new: str) -> None:
    give_password(console)
    assert enter("ana").post("/me/password", data={"old": PASSWORD, "new": new}).status_code == 422
    assert passwords.password_fits(PASSWORD, account(console).password)


@pytest.mark.parametrize(("language", "words"), [("en", "The old password is wrong."), ("zh", "原密码")])
def test_the_reason_stands_beside_the_field(console: Console, enter: Enter, language: str, words: str) -> None:
    give_password(console)
    ana = enter("ana")
    ana.headers["accept-language"] = language
    page = ana.post("/me/password", data={"old": "not my secret", "new": NEW}).text
    assert words in page.partition('<p class="wrong" id="wrong-old">')[2][:80]
    assert re.findall(r'name="(\w+)"[^>]*aria-invalid="true" aria-describedby="wrong-(\w+)" autofocus', page) == [
        ("old", "old")
    ]
    assert "not my secret" not in page
    assert NEW not in page
    page = ana.post("/me/password", data={"old": PASSWORD, "new": "password1234"}).text
    assert re.findall(r'id="wrong-(\w+)"', page) == ["new"]


def test_a_wrong_code_keeps_the_secret_that_the_device_has(console: Console, enter: Enter) -> None:
    give_password(console)
    form = totp()
    for name, value in (("code", "000000"), ("password", "wrong")):
        refused = enter("ana").post("/me/totp", data=form | {"password": PASSWORD} | {name: value})
        assert (refused.status_code, SECRET.findall(refused.text)) == (422, [form["secret"]])
        assert re.findall(r'id="wrong-(\w+)"', refused.text) == [name]
        assert PASSWORD not in refused.text


def totp() -> dict[str, str]:
    secret = passwords.totp_secret()
    return {"secret": secret, "code": pyotp.TOTP(secret).at(int(NOON))}


def test_one_time_codes_need_the_password(console: Console, enter: Enter) -> None:
    give_password(console)
    ana = enter("ana")
    assert ana.post("/me/totp", data=totp()).status_code == 422
    assert ana.post("/me/totp", data=totp() | {"password": "wrong"}).status_code == 422
    assert account(console).totp_secret is None
    assert ana.post("/me/totp", data=totp() | {"password": PASSWORD}).status_code == 200


def test_an_account_without_a_password_cannot_set_one(console: Console, enter: Enter) -> None:
    # Such a person signs in at the identity provider.
    assert enter("ana").post("/me/password", data={"old": "", "new": NEW}).status_code == 422
    assert account(console).password is None


def test_one_time_codes_begin_with_a_code_of_the_shown_secret(console: Console, enter: Enter) -> None:
    give_password(console)
    ana = enter("ana")
    secrets = [SECRET.findall(ana.get("/me").text)[0] for _ in range(2)]
    assert secrets[0] != secrets[1]
    right, wrong = (pyotp.TOTP(secret).at(int(NOON)) for secret in secrets)
    assert ana.post("/me/totp", data={"password": PASSWORD, "secret": secrets[0], "code": wrong}).status_code == 422
    assert ana.post("/me/totp", data={"password": PASSWORD, "secret": "short", "code": right}).status_code == 422
    assert account(console).totp_secret is None
    codes = CODE.findall(ana.post("/me/totp", data={"password": PASSWORD, "secret": secrets[0], "code": right}).text)
    assert len(set(codes)) == 10
    assert account(console).totp_secret == secrets[0]
    assert ana.get("/queue").status_code == 401
    form = {"name": "ana", "password": PASSWORD}
    nobody = enter("")
    assert nobody.post("/login", data=form).status_code == 401
    assert nobody.post("/login", data=form | {"code": right}).status_code == 303
    for code in (codes[0], codes[1].upper().replace("-", " ")):
        statuses = [enter("").post("/login", data=form | {"code": code}).status_code for _ in range(2)]
        assert statuses == [303, 401], "a recovery code works once"
    assert "Recovery codes left: 8." in enter("ana").get("/me").text
    assert codes[2] not in enter("ana").get("/me").text


def test_the_qr_code_has_the_secret_and_no_inline_style(enter: Enter) -> None:
    page = enter("ana").get("/me").text
    [secret] = SECRET.findall(page)
    assert account_page.qr_svg(passwords.totp_uri("ana", secret)) in page
    assert "style=" not in page


def keys(**changed: str) -> dict[str, list[str]]:
    wanted = {name: "Space" if key == " " else key for name, key in ({**KEYS, **changed}).items()}
    return {"name": list(wanted), "key": list(wanted.values())}


def test_a_person_chooses_own_keys(console: Console, enter: Enter) -> None:
    ana = enter("ana")
    assert ana.post("/me/keys", data=keys(next="n", note="Shift+F2", play="z")).status_code == 303
    assert account(console).preferences.remapped == {"next": "n", "note": "Shift+F2", "play": "z"}
    assert '"next": "n"' in ana.get("/queue").text
    assert ana.post("/me/keys", data=keys(next="n") | {"restore": ["true"]}).status_code == 303
    assert account(console).preferences.remapped == {}


@pytest.mark.parametrize(
    ("key", "other"), [("k", "Previous case"), ("g", "Part: evidence"), ("g q", "Go to the queue"), ("Space", "Play")]
)
def test_a_key_with_two_actions_is_refused_with_the_name_of_the_other(
    console: Console, enter: Enter, key: str, other: str
) -> None:
    refused = enter("ana").post("/me/keys", data=keys(next=key))
    assert refused.status_code == 422
    [words] = re.findall(r'class="problem" role="alert">([^<]*)<', refused.text)
    assert "“Next case”" in words
    assert f"“{other}" in words
    assert f'value="{key}"' in refused.text  # the form keeps what the person chose
    assert account(console).preferences.remapped == {}


@pytest.mark.parametrize("key", ["", "ab", "Tab", "Control", "<script>", "x" * 17, "\x00", "a b c"])
def test_what_is_no_key_is_refused(console: Console, enter: Enter, key: str) -> None:
    assert enter("ana").post("/me/keys", data=keys(next=key)).status_code == 422
    assert account(console).preferences.remapped == {}
