"""Schemas with every unknown member refused: what is served must be described, whole."""

from typing import Any

from jsonschema import Draft202012Validator

from tallyroom.codec.schemas import documents
from tallyroom.gateway.openapi import document


def closed(node: Any) -> Any:
    """The schema with ``additionalProperties: false`` wherever properties are listed."""
    if isinstance(node, list):
        return [closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {name: closed(value) for name, value in node.items()}
    if "properties" in made and made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


def snapshot_validator() -> Draft202012Validator:
    """Of schemas/v1/snapshot.schema.json, closed."""
    return Draft202012Validator(closed(documents()["snapshot"]), format_checker=Draft202012Validator.FORMAT_CHECKER)


def component_validator(name: str) -> Draft202012Validator:
    """Of a schema of the OpenAPI document, closed."""
    schemas = document()["components"]["schemas"]
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": {"schemas": closed(schemas)}})


def faults(validator: Draft202012Validator, value: Any) -> list[str]:
    """What is wrong with a value, each with its place."""
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]
