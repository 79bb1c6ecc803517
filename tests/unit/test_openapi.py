"""schemas/openapi.yaml says what the gateway does: its routes, its problems, what answers hold; every reference leads somewhere."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tallyroom.gateway import app, openapi
from tests.support.contract import component_validator, faults
from tests.support.references import references

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "schemas" / "openapi.yaml").read_text("utf-8"))


def at(reference: str) -> Any:
    """What a reference inside the document leads to."""
    node: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


def test_the_committed_document_is_the_one_that_is_served() -> None:
    assert json.loads(openapi.encoded()) == DOCUMENT, "run schemas/generate.py"


def test_it_has_every_route_and_no_other() -> None:
    assert set(DOCUMENT["paths"]) == set(app.TEMPLATES)


def test_every_reference_leads_somewhere() -> None:
    found = list(references(DOCUMENT))
    assert len(found) > 50
    assert all(at(reference) is not None for reference in found)


def test_its_schemas_are_schemas() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_kind_of_problem_stands_in_document_and_manual() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "services/tallyroom/gateway").glob("*.py"))
    kinds = set(re.findall(r'Problem\(\s*\d{3},\s*f?"([a-z-]+(?:\{name\})?)"', source))
    assert len(kinds) > 8
    text = " ".join(item["description"] for item in DOCUMENT["components"]["responses"].values())
    manual = (ROOT / "docs" / "http.md").read_text("utf-8")
    for kind in kinds:
        assert kind.removesuffix("{name}") in text
        assert kind.removesuffix("{name}") in manual


@pytest.mark.parametrize(
    ("problem", "wrong"),
    [
        ({"type": "urn:tallyroom:problem:bad-query", "title": "t", "status": 400, "detail": "d", "instance": "/"}, 0),
        ({"type": "about:blank", "title": "t", "status": 400, "detail": "d", "instance": "/"}, 1),
        ({"type": "urn:tallyroom:problem:bad-query", "title": "t", "status": 200, "detail": "d", "instance": "/"}, 1),
    ],
)
def test_the_schema_of_problems_tells_them_apart(problem: dict[str, Any], wrong: int) -> None:
    assert len(faults(component_validator("Problem"), problem)) == wrong
