"""The record of when questions closed: what counts as decided, what undoes it, and that a restart changes nothing."""

import json
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tallyroom.results.decided import MOST_UNDONE, Answer, Entry, Moment, Question, Seen, answers, follow

START: Final = datetime(2030, 3, 1, 20, tzinfo=UTC)
Record = Mapping[str, Sequence[Entry]]


def contest(winner: str | None, by: str | None = None, seats: tuple[int, int] | None = None) -> dict[str, Any]:
    """A contest's document with these two questions; ``by`` None: the winner is open."""
    race = {"selection": winner, "state": "open" if by is None else "decided", "decided_by": by}
    if seats is None:
        return {"winner": race, "apportionment": None}
    ranges = {"P": {"now": seats[0], "certain_min": seats[0], "certain_max": seats[1]}}
    return {"winner": race, "apportionment": {"bounded_by": "register", "seats": ranges, "threshold": None}}


def moment(revision: int) -> Moment:
    """Revision N is N minutes after the start."""
    return Moment(revision=revision, at=START + timedelta(minutes=revision))


def after(record: Record, document: dict[str, Any], revision: int) -> dict[str, list[Entry]]:
    """The record after a revision with this document of contest ``c``."""
    return follow(record, {"c": Seen(document, revision, 9)}, moment(revision))


def test_everything_that_a_document_decides_is_an_answer() -> None:
    threshold = {
        "selections": {
            "P": {"state": "decided-above", "decided_by": "issued"},
            "Q": {"state": "decided-below", "decided_by": "register"},
            "R": {"state": "open", "decided_by": None},
            "S": {"state": "above", "decided_by": None},
            "T": {"state": "exempt", "decided_by": None},
        },
        "entering": {"minimum": 2, "maximum": 2},
    }
    seats = {"P": {"now": 3, "certain_min": 3, "certain_max": 3}, "R": {"now": 1, "certain_min": 0, "certain_max": 1}}
    rule = {"bounded_by": "issued", "threshold": threshold, "seats": seats, "accepted": False, "state": "decided"}
    assert answers({"winner": contest("P", "register")["winner"], "apportionment": rule}) == {
        Question("winner"): Answer("P", "register"),
        Question("threshold", "P"): Answer("above", "issued"),
        Question("threshold", "Q"): Answer("below", "register"),
        Question("entering"): Answer(2, "issued"),
        Question("seats", "P"): Answer(3, "issued"),
        Question("accepted"): Answer(value=False, by="issued"),
    }


def test_without_a_hard_bound_nothing_is_an_answer() -> None:
    seats = {"P": {"now": 3, "certain_min": 3, "certain_max": 3}}
    threshold = {"selections": {"P": {"state": "above", "decided_by": None}}, "entering": None}
    rule = {"bounded_by": None, "threshold": threshold, "seats": seats, "accepted": True, "state": "open"}
    assert answers({"winner": contest("P")["winner"], "apportionment": rule}) == {}
    assert answers({"winner": None, "apportionment": None}) == {}


def test_the_first_revision_stands_while_the_answer_does() -> None:
    record = after({}, contest("P"), 1)
    assert record == {}
    record = after(record, contest("P", "issued"), 2)
    once = record["c"]
    assert [(e["question"], e["answer"], e["by"], e["revision"], e["since"]) for e in once] == [
        ("winner", "P", "issued", 2, "2030-03-01T20:02:00Z")
    ]
    assert (once[0]["units_reported"], once[0]["units_expected"], once[0]["undone"]) == (2, 9, [])
    assert after(record, contest("P", "register"), 3)["c"] == once


def test_what_a_correction_undoes_is_kept_with_it() -> None:
    record = after({}, contest("P", "register", (3, 3)), 1)
    record = after(record, contest("Q", "register", (2, 3)), 4)
    winner, seats = record["c"]
    assert (winner["answer"], winner["revision"]) == ("Q", 4)
    assert winner["undone"] == [
        {
            "answer": "P",
            "by": "register",
            "since": "2030-03-01T20:01:00Z",
            "revision": 1,
            "until": "2030-03-01T20:04:00Z",
            "until_revision": 4,
        }
    ]
    assert (seats["answer"], seats["since"], seats["revision"], seats["units_reported"]) == (None, None, None, None)
    assert [undone["answer"] for undone in seats["undone"]] == [3]
    record = after(record, contest("Q", "register", (3, 3)), 5)
    assert (record["c"][1]["answer"], record["c"][1]["revision"], len(record["c"][1]["undone"])) == (3, 5, 1)


def test_an_embargo_and_a_contest_that_did_not_change_leave_the_record() -> None:
    record = after({}, contest("P", "register"), 1)
    assert after(record, {"contest": "c", "embargoed_until": "2030-03-01T21:00:00Z"}, 2) == record
    assert follow(record, {}, moment(3)) == record


def test_a_source_that_sends_back_and_forth_does_not_fill_the_document() -> None:
    record: Record = {}
    for revision in range(1, 3 * MOST_UNDONE):
        record = after(record, contest("PQ"[revision % 2], "register"), revision)
    (entry,) = record["c"]
    assert len(entry["undone"]) == MOST_UNDONE
    assert entry["undone"][-1]["until_revision"] == 3 * MOST_UNDONE - 1


def test_a_restart_anywhere_makes_the_same_record() -> None:
    """What the next revision needs is in the document: it is read from JSON, as a publisher that starts anew reads it."""
    chance = random.Random(7)
    documents = [
        contest(chance.choice("PQ"), chance.choice([None, "register", "issued"]), (1, chance.choice([1, 2])))
        for _ in range(200)
    ]
    straight: Record = {}
    restarted: Record = {}
    for revision, document in enumerate(documents, 1):
        straight = after(straight, document, revision)
        restarted = after(json.loads(json.dumps(restarted)), document, revision)
        assert restarted == straight
    assert any(entry["undone"] for entry in straight["c"])
