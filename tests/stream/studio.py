"""The policy studio as a person uses it: reads a page, fills one of its forms, and sends it."""

import re
import time
from html.parser import HTMLParser

import httpx

from pipeline.console.guard import COOKIE
from pipeline.review.accounts import sign_in
from pipeline.review.database import Database

PATIENCE_SECONDS = 120.0


class Forms(HTMLParser):
    """The forms of a page: for each action, the fields that a browser would send."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, dict[str, str]] = {}
        self.off: set[str] = set()
        """The actions whose button is disabled."""
        self._action, self._name, self._chosen = "", "", ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._action = given.get("action", "")
            self.fields.setdefault(self._action, {})
        elif tag == "input" and "name" in given:
            self._set(given["name"], given.get("value", ""))
        elif tag in {"textarea", "select"}:
            self._name = given["name"]
            self._set(self._name, "")
        elif tag == "option" and "selected" in given:
            self._set(self._name, given["value"])
        elif tag == "button" and "disabled" in given:
            self.off.add(self._action)

    def handle_data(self, data: str) -> None:
        if self._name and self.lasttag == "textarea":
            self._set(self._name, self.fields[self._action][self._name] + data)

    def handle_endtag(self, tag: str) -> None:
        if tag in {"textarea", "select"}:
            self._name = ""
        elif tag == "form":
            self._action = ""

    def _set(self, name: str, value: str) -> None:
        self.fields.setdefault(self._action, {})[name] = value


class StudioGuest:
    """Somebody who is signed in, and uses only what the pages offer."""

    def __init__(self, url: str, database: Database, name: str) -> None:
        with database.write() as connection:
            token = sign_in.begin_session(connection, name, time.time())
        self._client = httpx.Client(base_url=url, cookies={COOKIE: token}, timeout=60)

    def page(self, path: str) -> str:
        answer = self._client.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        return answer.text

    def send(self, path: str, action: str, **changes: str) -> str:
        """Fill the form of a page that goes to `action`, send it, and return the address of the next page."""
        forms = Forms(self.page(path))
        assert action in forms.fields, f"{path} has no form for {action}, only {list(forms.fields)}"
        assert action not in forms.off, f"the button of {action} is disabled"
        answer = self._client.post(action, data=forms.fields[action] | changes)
        assert answer.status_code == 303, f"{action}: {answer.status_code} {re.sub('<[^>]*>', '', answer.text)[-500:]}"
        return answer.headers["location"]

    def draft(self, title: str, file: str, old: str, new: str) -> str:
        """Begin a draft, and replace a part of one text. Return the address of the draft."""
        draft = self.send("/policies", "/policies/drafts", title=title)
        editor = f"{draft}?view={file}"
        fields = Forms(self.page(editor)).fields[draft]
        changed = fields["text"].removeprefix("\n").replace(old, new, 1)
        checked = self._client.post(f"{draft}/check", data=fields | {"text": changed})
        assert 'class="msg bad"' not in checked.text, checked.text
        self.send(editor, draft, text=changed)
        return draft

    def backtest(self, draft: str, **changes: str) -> str:
        """Run a backtest to its end. Return the page with the result."""
        self.send(f"{draft}?view=diff", f"{draft}/backtest", **changes)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._client.get(f"{draft}/backtest").headers.get("HX-Refresh"):
            assert time.monotonic() < deadline, "the backtest did not end"
            time.sleep(0.1)
        return self.page(f"{draft}?view=diff")

    def close(self) -> None:
        self._client.close()
