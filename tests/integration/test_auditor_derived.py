"""What was derived wrongly, from right numbers and with right hashes, is found, named and withdrawn."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from redis.asyncio import Redis

from tallyroom.auditor.compare import Difference
from tallyroom.auditor.service import OtherBuild
from tallyroom.codec import packed
from tests.support.auditing import Scene, scene_of
from tests.support.elections import Sent
from tests.support.store_fixtures import REAL, Stores

Documents = dict[str, Any]


def last_digit(share: str) -> str:
    """The share off by one in its last digit."""
    return f"{float(share) + 0.000001:.6f}"


def _share(made: Documents) -> None:
    shares = made["areas:list:"][0]["shares"]
    shares["P"] = last_digit(shares["P"])


def _seat(made: Documents) -> None:
    seats = made["contest:list"]["apportionment"]["seats"]
    seats["P"]["now"] -= 1
    seats["Q"]["now"] += 1


def _winner(made: Documents) -> None:
    made["contest:groups"]["winner"]["selection"] = "X"


def _threshold(made: Documents) -> None:
    made["contest:list"]["apportionment"]["threshold"]["selections"]["Q"]["state"] = "decided-below"


def _ledger(made: Documents) -> None:
    del made["ledger:list"]["corrections"][0]


def _house(made: Documents) -> None:
    made["beside:bodies"]["bodies"][0]["majorities"][0]["now"] = ["Q"]


def _decided(made: Documents) -> None:
    entry = {"question": "winner", "selection": None, "answer": "X", "by": "register", "since": None, "revision": 1}
    made["beside:decided"]["decided"]["groups"] = [{**entry, "units_reported": 1, "units_expected": 8, "undone": []}]


WRONGLY_DERIVED: Final[Mapping[str, tuple[Callable[[Documents], None], tuple[str | None, str | None, str]]]] = {
    "a share off by one in its last digit": (_share, ("list", "R", "shares.P")),
    "a seat moved": (_seat, ("list", None, "apportionment.seats.P.now")),
    "a swapped winner": (_winner, ("groups", None, "winner.selection")),
    "a threshold state flipped": (_threshold, ("list", None, "apportionment.threshold.selections.Q.state")),
    "a correction missing in the ledger": (_ledger, ("list", None, "ledger.corrections.length")),
    "a majority that nobody has": (_house, (None, None, "bodies.0.majorities.0.now.length")),
    "an answer on record that nothing decides": (_decided, (None, None, "decided.groups.0.answer")),
}


@pytest.mark.parametrize("fault", WRONGLY_DERIVED)
async def test_what_was_derived_wrongly_is_named_and_withdrawn(scene: Scene, fault: str) -> None:
    """Every whole number is right, and every hash: only who derives the revision anew can see it."""
    await scene.send(
        Sent("list", "u1", version=2, numbers=(6, 3, 1, 0)), Sent("groups", "u1", group="advance", numbers=(2, 3))
    )
    head, right = await scene.room.covered()
    assert await scene.auditor.audit() == []
    change, place = WRONGLY_DERIVED[fault]
    wrong = deepcopy(right)
    change(wrong)
    await scene.plant_derived({name: wrong[name] for name in wrong if wrong[name] != right[name]})
    found = await scene.auditor.audit()
    assert place in {(item.contest, item.area, item.figure) for item in found}
    assert all(item.expected != item.found for item in found)
    assert all(item.derived for item in found), "every whole number is right"
    assert scene.told() == {"store": 0, "published": 0, "derived": len(found)}
    assert (await scene.frozen()).revision == head.revision
    _, again = await scene.room.when(lambda back, _: back.revision > head.revision)
    assert again == right, "the last revision that was right is published again"


async def test_of_a_revision_of_another_version_whole_numbers_alone_are_judged(scene: Scene) -> None:
    await scene.plant_derived({}, build="0.0.1")
    with pytest.raises(OtherBuild, match=r"0\.0\.1"):
        await scene.auditor.audit()
    assert not (await scene.room.store.mark()).frozen
    with pytest.raises(OtherBuild):
        await scene.auditor.audit()
    await scene.plant_published("areas:list:", lambda text: text.replace('"P":12', '"P":13', 1))
    with pytest.raises(OtherBuild):
        await scene.auditor.audit()
    assert Difference("counts.P", 12, 13, "list", "R") in scene.auditor.differences


async def test_a_contest_that_was_left_at_the_revision_before_is_found(scene: Scene) -> None:
    """What a publisher would do that forgot to derive a contest again while the log moved on."""
    _, before = await scene.room.covered()
    await scene.send(Sent("list", "u3", version=2, numbers=(9, 0, 0, 1), invalid=2))
    head, _ = await scene.room.covered()
    await scene.plant_derived({"contest:list": before["contest:list"]})
    found = await scene.auditor.audit()
    assert {item.contest for item in found} == {"list"}
    assert {"leading.margin", "corrections.count"} <= {item.figure for item in found}
    assert (await scene.frozen()).revision == head.revision


@pytest.mark.parametrize("server", REAL)
async def test_a_correction_lost_in_a_journal_is_found_and_comes_back_with_a_rebuild(
    request: pytest.FixtureRequest, tmp_path: Path, server: str
) -> None:
    """The totals are right; a publisher that starts reads the journal anew and does not know of the correction."""
    stores = Stores(request.getfixturevalue(f"{server}_server").url)
    try:
        async with scene_of(stores, tmp_path) as scene:
            await scene.send(Sent("list", "u1", version=2, numbers=(6, 3, 1, 0)))
            await scene.room.covered()
        scene.server = Redis.from_url(str(stores.url))
        key = await scene.partition_of("j:0")
        entry = packed.decode_entry(await scene.server.hget(key, "j:0"))  # type: ignore[arg-type]
        silent = msgspec.structs.replace(entry, entry="note", fell=None, changed=None)
        await scene.server.hset(key, "j:0", packed.encode_entry(silent))
        async with scene.room.publishing("two") as scene.publisher:
            await scene.send(Sent("inside", "u1", numbers=(1, 0, 0)))
            wrong, documents = await scene.room.covered()
            assert documents["ledger:list"]["corrections"] == []
            found = await scene.auditor.audit()
            assert ("list", None, "ledger.corrections.length") in {(i.contest, i.area, i.figure) for i in found}
            await scene.frozen()
            await scene.rebuild()
            await scene.thaw(1)
            await scene.room.when(
                lambda head, made: head.revision > wrong.revision and made["ledger:list"]["corrections"]
            )
            assert await scene.auditor.audit() == []
        await scene.server.aclose()
    finally:
        await stores.close()
