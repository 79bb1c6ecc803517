"""Snapshots, definitions, filters and stream frames as bytes."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from tallyroom.gateway import frames, representation
from tallyroom.gateway.encoding import Coding, Resource
from tallyroom.gateway.feed import Feed
from tallyroom.gateway.hub import WAITING_FRAMES, Hub
from tallyroom.gateway.problem import Problem
from tallyroom.gateway.query import EVERYTHING, Filter, snapshot_filter
from tallyroom.gateway.representation import Shelf, State
from tallyroom.store import MemoryStore
from tallyroom.telemetry.metrics import gateway_metrics
from tests.support.revisions import ELECTION, Press, area, contest, definition, documents


class Scene:
    """Revisions of the hand-made election as states of a gateway."""

    def __init__(self) -> None:
        store = MemoryStore()
        self.press = Press(store)
        self.feed = Feed(store, (ELECTION, "simulation"), gateway_metrics(CollectorRegistry()), lambda _, __: None)

    async def state(self, changed: dict[str, Any] | None = None) -> State:
        await self.press.publish(changed)
        await self.press.say()
        await self.feed.look()
        assert self.feed.state is not None
        return self.feed.state


async def body(resource: Resource) -> dict[str, Any]:
    """A resource as JSON."""
    found: dict[str, Any] = json.loads((await resource.encoded(Coding.IDENTITY)).body)
    return found


def event(frame: bytes) -> tuple[dict[str, str], dict[str, Any]]:
    """Fields and data of one event."""
    fields = dict(line.split(": ", 1) for line in frame.decode().strip().split("\n"))
    return fields, json.loads(fields.pop("data"))


def shown(snapshot: dict[str, Any]) -> dict[str, list[str]]:
    """Area ids by contest, in order."""
    return {found["contest"]: [item["area"] for item in found["areas"]] for found in snapshot["contests"]}


async def test_the_snapshot_has_head_election_and_contests_in_order() -> None:
    found = await body(representation.snapshot(await Scene().state(), EVERYTHING))
    assert shown(found) == {"list": ["T", "T-B", "T-A", "T-A1"], "d-2": ["T-D2"], "d-1": ["T-D1"]}
    assert list(found)[:4] == ["election", "environment", "revision", "generated_at"]
    assert found["as_of"] == {"events": {"0": 100, "1": 7}}
    assert found["turnout"][0]["ballots"] == 1800
    assert not {"documents", "changed", "log", "stale_since"} & set(found)


async def test_figures_go_out_as_the_bytes_that_were_stored() -> None:
    state = await Scene().state()
    data = (await representation.snapshot(state, EVERYTHING).encoded(Coding.IDENTITY)).body
    for document in state.edition.area_documents("list"):
        assert document.data[1:-1] in data


async def test_a_stale_snapshot_says_since_when() -> None:
    state = replace(await Scene().state(), stale_since=datetime(2030, 3, 19, 15, 5, 7, 900, tzinfo=UTC))
    assert (await body(representation.snapshot(state, EVERYTHING)))["stale_since"] == "2030-03-19T15:05:07Z"


async def test_a_revision_without_anything_beside_the_contests_is_still_json() -> None:
    found = await body(representation.snapshot(await Scene().state({**documents(), "election": {}}), EVERYTHING))
    assert "turnout" not in found


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"contest=list", {"list": ["T", "T-B", "T-A", "T-A1"]}),
        (b"contest=d-1,d-2", {"d-2": ["T-D2"], "d-1": ["T-D1"]}),
        (b"contest=d-1&contest=d-2", {"d-2": ["T-D2"], "d-1": ["T-D1"]}),
        (b"level=region", {"list": ["T-B", "T-A"]}),
        (b"area=T-A1,T-D1", {"list": ["T-A1"], "d-1": ["T-D1"]}),
        (b"contest=list&area=T-A&level=region", {"list": ["T-A"]}),
        (b"contest=list&area=T-D1", {}),
    ],
)
async def test_filters_keep_what_is_asked_for(query: bytes, expected: dict[str, list[str]]) -> None:
    state = await Scene().state()
    wanted = snapshot_filter(query, state.edition.index)
    assert shown(await body(representation.snapshot(state, wanted))) == expected


async def test_the_order_of_a_wish_makes_no_other_representation() -> None:
    index = (await Scene().state()).edition.index
    assert snapshot_filter(b"contest=d-1,list", index) == snapshot_filter(b"contest=list&contest=d-1,d-1", index)


async def test_an_embargoed_contest_stays_visible_under_a_filter() -> None:
    hidden = {**documents(), "areas:list:": [], "areas:list:T": [], "areas:list:T-A": []}
    state = await Scene().state(hidden)
    wanted = snapshot_filter(b"area=T", state.edition.index)
    assert shown(await body(representation.snapshot(state, wanted))) == {"list": []}


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        (b"contest=mayor", 404, "'mayor'; known are list, d-2, d-1"),
        (b"area=T,X", 404, "'X'"),
        (b"level=planet", 404, "national, region, town, district"),
        (b"contests=list", 400, "'contests'"),
        (b"contest=", 400, "empty"),
        (b"contest", 400, "cannot be read"),
        (b"contest=\xff", 400, "cannot be read"),
        (b"area=" + b",".join([b"T"] * 201), 400, "More than 200"),
    ],
)
async def test_a_wish_that_is_not_understood_is_named(query: bytes, status: int, said: str) -> None:
    index = (await Scene().state()).edition.index
    with pytest.raises(Problem) as caught:
        snapshot_filter(query, index)
    problem = json.loads(caught.value.body("/path"))
    assert (caught.value.status, problem["status"]) == (status, status)
    assert said in problem["detail"]


async def test_the_definition_can_be_had_without_units() -> None:
    edition = (await Scene().state()).edition
    assert await body(representation.definition(edition, units=True)) == definition()
    without = await body(representation.definition(edition, units=False))
    assert "units" not in without
    assert without["contests"][0]["selections"] == definition()["contests"][0]["selections"]
    assert all("units" not in found for found in without["contests"])


def test_a_shelf_forgets_what_was_asked_for_least_recently() -> None:
    shelf = Shelf(most_entries=2)
    made = []

    def make() -> Resource:
        made.append(1)
        return Resource(b"{}", "application/json")

    for key in ("a", "b", "a", "c", "a", "b"):
        shelf.get(key, make)
    assert len(made) == 4  # a, b, c, and b again after c pushed it out


def test_a_shelf_is_bounded_in_bytes_but_keeps_what_is_asked_for_now() -> None:
    shelf = Shelf(most_entries=10, most_bytes=100)
    large = Resource(b"x" * 200, "text/plain")
    assert shelf.get("large", lambda: large) is large
    assert shelf.get("large", lambda: Resource(b"", "text/plain")) is large


async def test_a_delta_holds_changed_contests_with_changed_areas_only() -> None:
    made = Scene()
    before = await made.state()
    changed = {
        "contest:list": contest("list"),
        "areas:list:T": [area("T-B", (201, 200, 50), 2), area("T-A", (400, 100, 50), 2)],
    }
    now = await made.state(changed)
    delta = frames.delta(before, now)
    fields, data = event(delta.data)
    assert fields == {"id": "2", "event": "revision"}
    assert (delta.before, delta.revision, data["full"]) == (1, 2, False)
    assert shown(data) == {"list": ["T-B"]}
    assert "turnout" not in data


async def test_a_changed_contest_without_changed_areas_is_told() -> None:
    made = Scene()
    before = await made.state()
    _, data = event(frames.delta(before, await made.state({"contest:d-1": contest("d-1", "recount")})).data)
    assert [(found["contest"], found["status"], found["areas"]) for found in data["contests"]] == [
        ("d-1", "recount", [])
    ]


async def test_the_elections_members_are_told_when_they_change() -> None:
    made = Scene()
    before = await made.state()
    _, data = event(frames.delta(before, await made.state({"election": {"turnout": []}})).data)
    assert (data["turnout"], data["contests"]) == ([], [])


async def test_what_stands_beside_the_contests_is_in_the_snapshot_and_told_only_when_it_changes() -> None:
    made = Scene()
    before = await made.state({**documents(), "beside:bodies": {"bodies": [1]}, "beside:flags": {"flags": [2]}})
    found = await body(representation.snapshot(before, EVERYTHING))
    assert (found["bodies"], found["flags"]) == ([1], [2])
    now = await made.state({"beside:bodies": {"bodies": [3]}, "beside:flags": {"flags": [2]}})
    _, data = event(frames.delta(before, now).data)
    assert data["bodies"] == [3]
    assert not {"flags", "turnout"} & data.keys()


@pytest.mark.parametrize(
    "changed",
    [
        {"definition": {**definition(), "notes": {"en": "amended"}}},
        {"areas:list:T": [area("T-B", (200, 200, 50), 2)]},
    ],
)
async def test_what_cannot_be_said_as_a_change_is_told_in_full(changed: dict[str, Any]) -> None:
    made = Scene()
    before = await made.state()
    now = await made.state(changed)
    _, data = event(frames.delta(before, now).data)
    assert data["full"] is True
    assert len(data["contests"]) == 3


@given(st.lists(st.tuples(st.sampled_from(["T-B", "T-A"]), st.integers(0, 999)), max_size=6))
async def test_following_the_deltas_leads_to_the_snapshot(steps: list[tuple[str, int]]) -> None:
    made = Scene()
    state = await made.state()
    followed = shown_areas(event(frames.full(state))[1])
    rows = {"T-B": area("T-B", (200, 200, 50), 2), "T-A": area("T-A", (400, 100, 50), 2)}
    for name, votes in steps:
        rows[name] = area(name, (votes, 1, 1), 3)
        before, state = state, await made.state({"areas:list:T": list(rows.values())})
        followed |= shown_areas(event(frames.delta(before, state).data)[1])
    assert followed == shown_areas(await body(representation.snapshot(state, EVERYTHING)))


def shown_areas(found: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """Area objects by contest and area."""
    return {(one["contest"], item["area"]): item for one in found["contests"] for item in one["areas"]}


async def test_who_resumes_gets_the_deltas_it_missed_or_everything() -> None:
    made, hub = Scene(), Hub()
    states = [await made.state()]
    hub.moved(None, states[0])
    for votes in (1, 2, 3):
        states.append(await made.state({"areas:d-2:": [area("T-D2", (votes, 0, 0), 1)]}))
        hub.moved(states[-2], states[-1])
    current = await hub.join(states[-1], "4").next(1)
    missed = await hub.join(states[-1], "2").next(1)
    unknown = await hub.join(states[-1], "77").next(1)
    assert current == frames.condition(states[-1])
    assert missed is not None
    assert [line for line in missed.decode().splitlines() if line.startswith("id:")] == ["id: 3", "id: 4"]
    assert unknown == await hub.join(states[-1], None).next(1) == frames.full(states[-1])


async def test_going_stale_is_told_without_a_revision() -> None:
    hub, state = Hub(), await Scene().state()
    listener = hub.join(state, "1")
    await listener.next(1)
    hub.moved(state, replace(state, stale_since=datetime(2030, 3, 19, 15, 5, tzinfo=UTC)))
    frame = await listener.next(1)
    assert frame is not None
    assert event(frame) == (
        {"event": "condition"},
        {"environment": "simulation", "revision": 1, "stale_since": "2030-03-19T15:05:00Z"},
    )


async def test_a_client_that_takes_nothing_is_cut() -> None:
    hub, state = Hub(), await Scene().state()
    listener = hub.join(state, "1")
    marks = []
    for _ in range(WAITING_FRAMES):
        marks.append(listener.cut)
        listener.put(b"x")
    assert not any(marks)
    assert await listener.next(1) is None
    assert listener.cut


def test_a_filter_takes_areas_by_id_and_level() -> None:
    wanted = Filter(areas=("T",), levels=("region",))
    assert not wanted.takes_area("T", "national")
    assert wanted.takes_area("T", "region")
