"""Figures for the operator follow the documents that are published, those taken over from an earlier publisher included."""

import json

from prometheus_client import CollectorRegistry

from tallyroom.publisher.figures import Figures
from tallyroom.telemetry.metrics import publisher_metrics


def contest(name: str, status: str, corrections: int | None = None) -> bytes:
    """A contest's document; under embargo it has no corrections."""
    counted = {} if corrections is None else {"corrections": {"count": corrections, "latest": [{"unit": "u"}]}}
    return json.dumps({"contest": name, "status": status, **counted}).encode()


def test_contests_by_status_corrections_and_questions_decided() -> None:
    registry = CollectorRegistry()
    figures = Figures(publisher_metrics(registry))
    figures.take({"contest:a": contest("a", "pre-election"), "contest:b": contest("b", "unofficial-partial", 3)})
    figures.take({"contest:a": contest("a", "unofficial-partial", 0), "areas:a:": b"[]", "election": b"{}"})
    decided = {"a": [{"question": "winner", "answer": "p"}, {"question": "entering", "answer": None}]}
    figures.take({"beside:decided": json.dumps({"decided": decided}).encode()})

    def sample(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert sample("tallyroom_contests", status="pre-election") == 0
    assert sample("tallyroom_contests", status="unofficial-partial") == 2
    assert sample("tallyroom_contests", status="certified") == 0, "a series from the start"
    assert sample("tallyroom_corrections", contest="b") == 3
    assert sample("tallyroom_questions_decided", contest="a") == 1
