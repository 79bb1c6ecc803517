"""docs/events.md, definition.md and quarantine.md leave out no field, type, value, code or header that the code knows."""

import re
from pathlib import Path
from typing import Any

import pytest

from tallyroom.codec.events import EVENT_TYPES, MAX_EVENT_BYTES, Event, decode_event, partition_key
from tallyroom.codec.schemas import documents
from tallyroom.domain.events import Refusal
from tallyroom.domain.partition import murmur2, partition_of
from tallyroom.domain.plausibility import Flag
from tallyroom.log.base import LogRecord
from tallyroom.log.topics import events_topic, quarantine_topic
from tallyroom.producer.entries import headers
from tallyroom.tabulation.supersede import Refused
from tallyroom.tabulator.quarantine import quarantine_entry

ROOT = Path(__file__).parents[2]
EVENTS = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
DEFINITION = (ROOT / "docs" / "definition.md").read_text(encoding="utf-8")
QUARANTINE = (ROOT / "docs" / "quarantine.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "schemas" / "v1" / "examples" / "valid" / "report.json"
COMMON = set(Event.__struct_fields__) | {"type"}
SHARED = {"ReportingUnit", "Selection", "SourceKey"}  # parts of amendments that definition.md explains


def names_in(text: str) -> set[str]:
    """Everything set in backticks, without the quotation marks of JSON."""
    return {name.strip('"') for name in re.findall(r"`([^`\n]+)`", text)}


def section(text: str, title: str) -> str:
    """The text below a heading, up to the next one of its level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"no section {title}"
    return found.group(1)


def values_of(schema: dict[str, Any]) -> set[str]:
    """Every value of every enumeration within a schema."""
    found: set[str] = set(schema.get("enum", []))
    for value in schema.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                found |= values_of(item)
    return found


def parts_of(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The document and its parts that are objects, but not those of the definition."""
    return [schema, *(part for name, part in schema.get("$defs", {}).items() if name not in SHARED)]


@pytest.mark.parametrize("tag", [str(event.__struct_config__.tag) for event in EVENT_TYPES])
def test_every_field_and_value_of_every_event_is_explained(tag: str) -> None:
    schema = documents()[tag]
    own = names_in(section(EVENTS, tag))
    common = names_in(section(EVENTS, "Every event"))
    assert tag in common
    assert common >= COMMON
    assert set(schema["properties"]) - COMMON <= own
    inner = {
        name for part in parts_of(schema)[1:] if part["title"] != "Evidence" for name in part.get("properties", {})
    }
    for name in inner:
        assert re.search(rf"[`\"]{name}[`\"]", section(EVENTS, tag)), name
    shared = {value for name in SHARED & set(schema.get("$defs", {})) for value in values_of(schema["$defs"][name])}
    known = own | common | names_in(DEFINITION)
    assert values_of(schema) - shared - known == set()


def test_every_field_and_value_of_the_definition_is_explained() -> None:
    schema = documents()["definition"]
    parts = [schema, *schema["$defs"].values()]
    fields = {name for part in parts for name in part.get("properties", {})}
    assert fields - names_in(DEFINITION) == set()
    assert values_of(schema) - names_in(DEFINITION) == set()


def test_the_definition_page_explains_nothing_that_is_gone() -> None:
    schema = documents()["definition"]
    known = {name for part in (schema, *schema["$defs"].values()) for name in part.get("properties", {})}
    first_cells = re.findall(r"^\| (`[^|]+`) \|", DEFINITION, re.MULTILINE)
    assert first_cells
    assert {name for cell in first_cells for name in names_in(cell)} - known == set()


def test_every_refusal_has_its_row_with_fault_and_remedy() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", QUARANTINE, re.MULTILINE)
    assert sorted(row[0] for row in rows) == sorted(Refusal)
    assert all(cell.strip() for row in rows for cell in row)


def test_every_flag_has_its_row_with_threshold_reason_and_incident() -> None:
    page = (ROOT / "docs" / "plausibility.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ([^|]+) \|([^|]*)\| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    assert sorted(code.strip("`") for row in rows for code in row[0].split(", ")) == sorted(Flag)
    assert all(cell.strip() for row in rows for cell in (row[1], row[3], row[4]))


def test_every_header_is_named() -> None:
    event = decode_event(EXAMPLE.read_bytes())
    record = LogRecord(0, 0, 0, partition_key(event), b"")
    for name, _ in quarantine_entry(record, Refused(Refusal.SCHEMA, "x"), "t").headers:
        assert f"| `{name}` |" in QUARANTINE
    for name, _ in headers(event, event.reported_at):
        assert f"| `{name}` |" in EVENTS


def test_topics_and_limits_are_as_they_are() -> None:
    assert f"`{events_topic('ELECTION', 'ENVIRONMENT')}`" in EVENTS
    assert f"`{quarantine_topic('ELECTION', 'ENVIRONMENT')}`" in QUARANTINE
    assert f"{MAX_EVENT_BYTES:,} bytes" in EVENTS
    assert f"{MAX_EVENT_BYTES:,} bytes" in QUARANTINE


def test_the_partitions_given_for_comparison_are_right() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| `(0x\w{8})` \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", EVENTS, re.MULTILINE)
    assert len(rows) == 5
    for text, digest, *partitions in rows:
        key = text.replace("\\|", "|").encode()
        assert int(digest, 16) == murmur2(key)
        assert [int(number) for number in partitions] == [partition_of(key, of) for of in (3, 8, 12, 32)]


def test_the_key_rules_are_as_they_are() -> None:
    rules = dict(
        re.findall(r"^\| `(\w+)` \| `([^`]+)`", section(EVENTS, "Writing a producer in another language"), re.MULTILINE)
    )
    assert rules["report"] == r"CONTEST\|UNIT"
    assert partition_key(decode_event(EXAMPLE.read_bytes())) == b"council|N-001"
    assert rules["amendment"] == "amendment"
