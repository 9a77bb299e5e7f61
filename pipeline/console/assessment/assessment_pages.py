"""Renders the assessment pages: numbers with their units, and charts, in the reader's language."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.assessment.report import html, svg_charts, wording
from pipeline.assessment.report.wording import Language
from pipeline.console.pages import language_of, page
from pipeline.console.services import services_of
from pipeline.review.quality.figure import Unit
from pipeline.review.quality.statistics import Interval


def show(request: Request, template: str, **values: Any) -> HTMLResponse:
    """Render a template of the assessment."""
    language = reader_language(request)
    tools: dict[str, Any] = {
        "zh": language == "zh",
        "number": partial(_number, language),
        "between": partial(_between, language),
        "day": wording.day,
        "moment": wording.moment,
        "scale_of": svg_charts.scale_of,
        "signal": lambda trigger: wording.signal(trigger.signal, language),
        "detail": lambda name, value: html.detail(name, value, language),
        "tongue": lambda code: services_of(request).texts.names.get(code, code),
        "named": partial(_named, services_of(request).texts.catalogue(language_of(request))),
    }
    return page(request, template, **tools, **values)


def go(request: Request, path: str) -> Response:
    """Show the page `path` after a form was sent. The page that sent it is only updated, and keeps its place."""
    if request.headers.get("hx-request") != "true":
        return RedirectResponse(path, 303)
    if urlsplit(request.headers.get("hx-current-url", "")).path != path:
        return Response(headers={"HX-Redirect": path})
    update = {"path": path, "target": "#pane", "select": "#pane", "swap": "outerHTML"}
    return Response(headers={"HX-Location": json.dumps(update)})


def _named(catalogue: Mapping[str, str], group: str, name: str) -> str:
    """Return the text `group.name`. A name without a text is returned unchanged: the logic may have new ones."""
    return catalogue.get(f"{group}.{name}", name)


def reader_language(request: Request) -> Language:
    """Return the language of the reader, as far as the assessment has its texts: Chinese, or else English."""
    return "zh" if language_of(request) == "zh" else "en"


def _number(language: Language, value: float, unit: Unit) -> str:
    return wording.shown(value, unit, language)


def _between(language: Language, interval: Interval, unit: Unit) -> str:
    return wording.interval(interval, unit, language)
