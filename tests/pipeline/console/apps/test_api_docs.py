"""The OpenAPI schema and the page that lists its endpoints."""

from typing import get_args

from pipeline.console.access import ACCESS
from pipeline.contract.messages import Verdict
from tests.pipeline.console.conftest import Enter


def test_the_page_lists_every_endpoint_of_the_schema_with_its_description(enter: Enter) -> None:
    ana = enter("ana")
    schema, page = ana.get("/openapi.json").json(), ana.get("/docs").text
    operations = [(method, path) for path, methods in schema["paths"].items() for method in methods]
    assert len(operations) > 30
    for method, path in operations:
        assert f'<td class="mono">{method.upper()}</td><td class="mono">{path}</td>' in page
        assert schema["paths"][path][method]["description"]
    assert "Take the most urgent free case and show it." in page


def test_the_schema_leaves_out_only_itself_and_static_files(enter: Enter) -> None:
    schema = enter("ana").get("/openapi.json").json()
    assert {"/openapi.json", "/docs", "/static/{path}"}.isdisjoint(schema["paths"])
    assert sum(len(methods) for methods in schema["paths"].values()) == len(ACCESS) - 3


def test_the_schema_names_the_verdicts(enter: Enter) -> None:
    schema = enter("ana").get("/openapi.json").json()
    body = schema["paths"]["/cases/{case}/decision"]["post"]["requestBody"]["content"]
    [form] = body.values()
    fields = schema["components"]["schemas"][form["schema"]["$ref"].rpartition("/")[2]]
    assert fields["properties"]["verdict"]["enum"] == list(get_args(Verdict))
    assert {"verdict", "lease", "version"} <= set(fields["required"])
