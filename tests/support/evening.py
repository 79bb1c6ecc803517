"""The hand-made election in the middle of its evening: a threshold, a house, districts, declarations, corrections, exit polls."""

from typing import Any

from tests.support import revisions
from tests.support.revisions import area

LAW = "Made-up law, Art. 1"
REASON = "A bundle was <img src=x onerror=alert(1)> counted twice."


def definition() -> dict[str, Any]:
    """The election's definition with rules and a house of ten seats."""
    made = revisions.definition()
    for contest in made["contests"]:
        district = contest["id"] != "list"
        contest["rule"] = {"method": "plurality" if district else "hare", "seats": 1 if district else 8, "law": LAW}
        if district:
            contest["selections"] = [{**item, "party": item["id"]} for item in contest["selections"]]
    made["contests"][0]["rule"]["thresholds"] = [{"share": "1/5", "base": ["selections"]}]
    lines = [{"seats": 6, "names": {"en": "Majority"}}, {"seats": 8, "names": {"en": "Large majority"}}]
    names = {"en": "Chamber", "ru": "Палата", "kk": "Палата"}
    made["bodies"] = [
        {"id": "house", "names": names, "seats": 10, "contests": ["list", "d-1", "d-2"], "majorities": lines}
    ]
    return made


def standing(state: str, votes: int, by: str | None = None) -> dict[str, Any]:
    """Where a selection stands at the threshold."""
    return {
        "state": state,
        "decided_by": by,
        "flip_new_votes": votes,
        "flip_corrected_votes": votes,
        "flip_moved_votes": 1,
    }


def the_list(second: str = "open") -> dict[str, Any]:
    """The list contest: the first party is in, the second is over the threshold and ``second``."""
    change = {"amanat": [70, 40], "aq-jol": [1, 31]}
    correction = {
        "partition": 0, "offset": 7, "contest": "list", "unit": "SIM-1", "area": "T-A1", "version": 2, "superseded": 1,
        "at": 1_899_385_200_000, "kind": "correction", "reason": REASON, "fell": {"amanat": [70, 40]}, "changed": change,
        "effect": {"shares": {}, "seats": {"amanat": {"without": 6, "with": 5}}},
    }  # fmt: skip
    seats = {
        "amanat": {"now": 5, "certain_min": 4, "certain_max": 8},
        "aq-jol": {"now": 3, "certain_min": 0, "certain_max": 4},
    }
    threshold = {
        "share": "1/5", "strict": False, "base": "selections", "base_votes": 1000, "votes_needed": 200, "exempt": [],
        "minimum_parties": 1, "entering": {"minimum": 1 if second == "open" else 2, "maximum": 2},
        "selections": {
            "amanat": standing("decided-above", 500, "issued"),
            "aq-jol": standing(second, 125, None if second == "open" else "issued"),
        },
    }  # fmt: skip
    return {
        **revisions.contest("list"),
        "leading": {"selections": ["amanat"], "margin": 300},
        "corrections": {"count": 1, "latest": [correction]},
        "outstanding": {"register": 9000, "issued": 750, "expected": 700, "contradicted": []},
        "apportionment": {
            "rule": {"method": "hare", "seats": 8, "law": LAW}, "bounded_by": "issued", "seats": seats, "unfilled": 0,
            "lots_required": None, "threshold": threshold,
        },
        "winner": None,
    }  # fmt: skip


def district(name: str, state: str) -> dict[str, Any]:
    """A district that Aq Jol leads."""
    winner = {"selection": "aq-jol", "tied": [], "margin": 10, "state": state, "decided_by": "register"}
    made = revisions.contest(name)
    return {**made, "leading": {"selections": ["aq-jol"], "margin": 10}, "winner": {**winner, **standing("open", 10)}}


def house() -> dict[str, Any]:
    """Ten seats: six and four; four and one of them are certain."""
    parties = {
        "amanat": {"now": 5, "certain_min": 4, "certain_max": 9, "by_method": {"hare": 5}},
        "aq-jol": {"now": 5, "certain_min": 1, "certain_max": 6, "by_method": {"hare": 3, "plurality": 2}},
    }
    lines = [
        {"seats": 6, "now": [], "certain": [], "possible": ["amanat", "aq-jol"]},
        {"seats": 8, "now": [], "certain": [], "possible": []},
    ]
    return {"body": "house", "seats": 10, "open": 0, "parties": parties, "majorities": lines}


def declared() -> list[dict[str, Any]]:
    """Seats declared twice, a control total, a district's winner."""
    at = {"source": "cec", "reported_at": "2030-03-20T10:00:00Z"}
    later = {"source": "cec", "reported_at": "2030-03-27T06:00:00Z"}
    nothing: dict[str, Any] = {"computed": None, "difference": None, "agrees": None, "changed": None}
    changed = {
        "from": "a", "reported_at": at["reported_at"], "seats": {"amanat": {"before": 6, "now": 5}},
        "votes": {"declared": False, "corrected_units": 0},
    }  # fmt: skip
    votes: dict[str, Any] = {"agrees": False, "difference": {"counts": {"amanat": 0, "aq-jol": -2}}}
    won: dict[str, Any] = {"agrees": True, "computed": {"leading": {"selections": ["aq-jol"], "margin": 10}}}
    seats: dict[str, Any] = {"agrees": True, "difference": {"seats": {"amanat": 0}}, "changed": changed}
    found: list[dict[str, Any]] = [
        {"kind": "declaration", "id": "a", **at, "act": "seats", "body": "house", "seats": {"amanat": 6}},
        {
            "kind": "control",
            "id": "b",
            **at,
            "contest": "list",
            "area": "T",
            "counts": {"amanat": 600, "aq-jol": 298},
            **votes,
        },
        {
            "kind": "declaration",
            "id": "c",
            **later,
            "act": "certification",
            "contest": "d-1",
            "winner": "aq-jol",
            **won,
        },
        {
            "kind": "declaration",
            "id": "d",
            **later,
            "act": "seats",
            "final": True,
            "body": "house",
            "seats": {"amanat": 5},
            **seats,
        },
    ]
    return [{**nothing, **item} for item in found]


def decided() -> dict[str, Any]:
    """The first party has been over the threshold for certain since half an hour after the release."""
    at = {"since": "2030-03-19T15:30:00Z", "revision": 1, "units_reported": 4, "units_expected": 10}
    undone = {"answer": "below", "by": "issued", "since": "2030-03-19T15:10:00Z", "until": "2030-03-19T15:20:00Z"}
    return {"question": "threshold", "selection": "amanat", "answer": "above", "by": "issued", **at, "undone": [undone]}


def apart() -> dict[str, Any]:
    """One station that is held, one that nobody knows."""
    unit = {"group": None, "version": 1, "at": 1_900_162_800_000, "ballots_cast": None}
    held = {
        "unit": "SIM-2",
        "area": "T-B",
        "state": "held",
        "code": None,
        "reason": "An objection",
        "voters_registered": 1000,
    }
    waits = {
        "unit": "SIM-9",
        "area": None,
        "state": "waiting",
        "code": "unknown_unit",
        "reason": None,
        "voters_registered": None,
    }
    units = [{**unit, **held}, {**unit, **waits}]
    return {"contest": "list", "count": 2, "states": {"held": 1, "waiting": 1}, "units": units}


def call() -> dict[str, Any]:
    """The newsroom called a district that the count gives to somebody else."""
    about = {"contest": "d-1", "area": "T-D1", "selection": "amanat", "called_at": "2030-03-19T15:40:00Z"}
    return {**about, "text": {"en": "By our correspondent."}, "stands": "contradicted"}


def frozen() -> dict[str, Any]:
    """What a contest carries while its figures stand still."""
    return {
        "since": "2030-03-19T15:45:00Z",
        "text": {"en": "A source is being looked at."},
        "as_of": {"events": {"0": 1}},
    }


def flag() -> dict[str, Any]:
    """A doubt about a station's figures."""
    about = {"code": "swing", "contest": "list", "area": "T-A1", "unit": "SIM-1", "text": "Amanat: 0.20, before 0.80"}
    return {**about, "figures": {}, "accepted": True, "at": "2030-03-19T15:12:00Z"}


def documents() -> dict[str, Any]:
    """All documents of the evening."""
    made = revisions.documents()
    beside = {name: made["election"].pop(name) for name in ("turnout", "estimates", "declared")}
    return {
        **made,
        "definition": definition(),
        "beside:turnout": {"turnout": beside["turnout"]},
        "beside:estimates": {"estimates": beside["estimates"]},
        "beside:declared": {"declared": declared()},
        "beside:bodies": {"bodies": [house()]},
        "beside:decided": {"decided": {"list": [decided()]}},
        "beside:units_apart": {"units_apart": [apart()]},
        "beside:flags": {"flags": {"open": {"swing": 1}, "settled": {}, "listed": [flag()]}},
        "beside:calls": {"calls": [call()]},
        "contest:list": the_list(),
        "contest:d-1": district("d-1", "decided"),
        "contest:d-2": district("d-2", "open"),
        "areas:d-2:": [area("T-D2", (10, 20, 0), 5)],
    }


def embargoed() -> dict[str, Any]:
    """Before the release: bulletins, and of no contest anything but when."""
    made = documents()
    hidden = {
        f"contest:{name}": {"contest": name, "status": "pre-election", "embargoed_until": "2030-03-19T15:00:00Z"}
        for name in ("list", "d-1", "d-2")
    }
    areas: dict[str, Any] = {name: [] for name in made if name.startswith("areas:")}
    nothing: dict[str, Any] = {"beside:declared": {"declared": []}, "beside:estimates": {"estimates": []}}
    return {
        **made,
        **hidden,
        **areas,
        **nothing,
        "beside:bodies": {"bodies": [{"body": "house", "seats": 10, "parties": None}]},
    }
