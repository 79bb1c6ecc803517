"""The back-tests of docs/nights.md and docs/projection.md, shorter: what is decided is never contradicted by what was out."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import pytest

from tallyroom.codec.events import Report, decode_event, encode_event
from tallyroom.domain.election import VoterPool
from tallyroom.domain.rule import Rule
from tallyroom.recordings.backtest.coverage import coverage
from tallyroom.recordings.backtest.decisions import Decision, decisions
from tallyroom.recordings.backtest.orders import contradictions, shuffled
from tallyroom.recordings.format import Recording, TimedEvent, open_recording, write_recording
from tallyroom.recordings.nights import import_night
from tallyroom.results.decided import Question
from tests.support.mini import ABOUT, MINI, NOON, report
from tests.support.shared import archived_night

ORDERS: Final = 3


def test_bw_in_its_real_order() -> None:
    night = decisions(open_recording("bw-2025"))
    assert (night.wrong, night.undone) == ([], [])
    assert len(night.standing) == 38
    won = {decision.contest: decision for decision in night.standing}
    assert won["constituency-258"].answer == "gruene"
    assert won["constituency-258"].at.isoformat() == "2025-02-23T23:07:20+00:00"
    assert {decision.question.kind for decision in night.standing} == {"winner"}


def test_bw_in_drawn_orders() -> None:
    tally = shuffled(open_recording("bw-2025"), ORDERS, seed=1)
    assert list(contradictions(tally)) == []
    assert tally.stated >= 38 * ORDERS


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kz_is_decided_by_register_before_its_last_station_which_has_no_roll() -> None:
    night = decisions(open_recording("kz-2023"))
    assert night.wrong == []
    times = {q: night.by_register["list", q].strftime("%H:%M:%S") for contest, q in night.ends if contest == "list"}
    assert times[Question("threshold", "JSDP")] == "21:09:58"
    assert times[Question("entering")] == "21:28:07"
    assert max(times[q] for q in times if q.kind == "seats") == "23:24:34"
    assert all(at < "23:30:00" for at in times.values()), "it reports at 02:52"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kz_in_drawn_orders() -> None:
    tally = shuffled(open_recording("kz-2023"), 1, seed=1)
    assert list(contradictions(tally)) == []
    assert tally.early > 100


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kz_in_drawn_orders_by_register_alone(tmp_path: Path) -> None:
    """Without the bulletins, whose ballots issued bound what is out so well that the rolls hardly matter."""
    night = open_recording("kz-2023")
    events = [event for event in night.events() if decode_event(event.value).__struct_config__.tag != "participation"]
    write_recording(tmp_path, night.definition(), events, ABOUT)
    tally = shuffled(Recording(tmp_path), ORDERS, seed=1)
    assert list(contradictions(tally)) == []
    assert tally.early > 300


def test_gr_in_its_order_and_in_drawn_ones(tmp_path: Path) -> None:
    import_night(archived_night("nl-gr2022-west-maas-en-waal"), tmp_path)
    night = decisions(Recording(tmp_path))
    assert night.wrong == []
    seats = {d.question.selection: d.answer for d in night.standing if d.question.kind == "seats"}
    assert seats == {f"list-{key}": seats for key, seats in zip("12345678", (3, 2, 3, 2, 2, 2, 2, 1), strict=True)}
    tally = shuffled(Recording(tmp_path), 20, seed=1)
    assert list(contradictions(tally)) == []
    assert tally.early > 200


def mayor(folder: Path, register: int | None, reports: Mapping[int, Report]) -> Recording:
    """Units a, b and c of one pool with so many voters; ``reports``: by minute."""
    contest = replace(MINI.contests[0], rule=Rule(method="plurality", seats=1, law="-"))
    definition = replace(
        MINI,
        date=date(2024, 5, 5),
        units=tuple(replace(unit, pool="town") for unit in MINI.units),
        pools=(VoterPool(id="town", registered=register, may_be_added=0),),
        contests=(contest,),
    )
    events = [TimedEvent(NOON + timedelta(minutes=at), encode_event(one)) for at, one in reports.items()]
    write_recording(folder, definition, events, ABOUT)
    return Recording(folder)


def winners(found: Iterable[Decision]) -> list[object]:
    """Answers to who wins."""
    return [decision.answer for decision in found if decision.question == Question("winner")]


def test_a_pool_that_is_too_small_is_found(tmp_path: Path) -> None:
    """With 15 voters beyond the 40 ballots that are in, x seems safe with 20 ahead; then more come than there are voters."""
    reports = {0: report("a", x=20, y=5), 1: report("b", x=10, y=5), 2: report("c", x=0, y=25)}
    wrong = decisions(mayor(tmp_path / "wrong", 55, reports))
    assert winners(wrong.wrong) == ["x"]
    right = decisions(mayor(tmp_path / "right", 90, reports))
    assert (right.wrong, winners(right.standing)) == ([], ["y"])


def test_what_a_correction_undoes_is_listed_and_is_not_wrong(tmp_path: Path) -> None:
    reports = {
        0: report("a", x=20, y=5),
        1: report("b", x=10, y=5),
        2: report("c", x=5, y=4),
        3: report("a", 2, x=2, y=23, kind="correction"),
    }
    night = decisions(mayor(tmp_path, 90, reports))
    assert night.wrong == []
    assert winners(night.undone) == ["x"]
    undone = next(decision for decision in night.undone if decision.question == Question("winner"))
    assert (undone.at, undone.until) == (NOON + timedelta(minutes=2), NOON + timedelta(minutes=3))
    assert winners(night.standing) == ["y"]


def test_a_bound_that_is_too_small_is_found_in_drawn_orders(tmp_path: Path) -> None:
    reports = {0: report("a", x=0, y=9), 1: report("b", x=8, y=0), 2: report("c", x=9, y=0)}
    tally = shuffled(mayor(tmp_path, 13, reports), 20, seed=1)
    assert tally.wrong
    assert "mayor: winner stated y, ended x" in next(contradictions(tally))


def test_the_interval_of_projections_holds_as_often_as_it_says() -> None:
    found = coverage(open_recording("bw-2025"), 2, seed=1)
    for order in ("as it came", "random", "by area", "small first"):
        assert found.rate(order) >= 0.9, order
    assert sum(found.asked.values()) > 500
