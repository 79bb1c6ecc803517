"""A decision on its way between two operators: signed by one, kept in a file, read and sent by the other."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from tallyroom.codec.events import Report
from tallyroom.codec.signatures import Key
from tallyroom.desk import countersign, decide
from tallyroom.desk.acts import DeskError, People
from tallyroom.desk.book import CaseState
from tallyroom.domain.desk import DeskRules, Operator
from tallyroom.domain.election import Definition, Source
from tests.support.desk import DeskRoom
from tests.support.elections import CLOSED_AT, EVENTS, Sent, election

ANNA, BORIS, CLARA, OLGA = (
    Key(name, bytes(range(n, n + 32))) for n, name in enumerate(("anna", "boris", "clara", "olga"))
)
NAMES: Final = ("anna", "boris")
FIRST: Final = People(NAMES, "confirmed by telephone", hands=(ANNA,))
NEW: Final = b'[{"change": "add_unit", "unit": {"id": "new", "registered": 9}, "contests": {"list": "A"}}]'


def definition() -> Definition:
    """The small election with a desk of two, three of whom have keys."""
    operators = tuple(Operator(id=key.id, key=key.public) for key in (ANNA, BORIS, CLARA))
    operators = (*operators, Operator(id=OLGA.id, key=OLGA.public, revoked_at=CLOSED_AT))
    sources = (
        Source(id="cec", names={}, may_report=tuple(kind for kind in EVENTS if kind != "desk")),
        Source(id="desk", names={}, may_report=("desk", "amendment", "declaration")),
    )
    return replace(election(2), desk=DeskRules(persons=2, operators=operators), sources=sources)


async def opened() -> DeskRoom:
    return await DeskRoom(definition()).open()


async def sheet(desk: DeskRoom) -> str:
    """A report that does not add up; where it was refused."""
    (case,) = await desk.send(Sent("list", "u1", numbers=(5, 3, 1, 0), broken="accounting").event(desk.plan.definition))
    return str(case.at)


async def test_one_signs_and_the_other_one_sends(tmp_path: Path) -> None:
    desk, path = await opened(), tmp_path / "act.json"
    at = await sheet(desk)
    (case,) = desk.book.cases.values()
    await desk.hand.release(case, FIRST)
    assert desk.book.state(case) is CaseState.WAITING, "one person releases nothing"
    countersign.save(path, desk.hand.drafts)
    ((event, draft),) = countersign.load(path)
    assert isinstance(event, Report)
    assert (event.released, countersign.signers(desk.book, draft)) == (at, ["anna"])
    await countersign.send(desk.hand, event, countersign.add(desk.book, event, draft, BORIS), None)
    assert desk.book.state(case) is CaseState.RELEASED
    assert (await desk.again()).state(case) is CaseState.RELEASED, "whoever folds the log says the same"


async def test_who_signs_alone_or_with_no_key_is_told_how() -> None:
    desk = await opened()
    contest = decide.target(desk.book.plan, "list")
    for who, why in (
        (People(NAMES, "x"), "operator anna has not signed it"),
        (People(("anna", "dora"), "x", hands=(ANNA, Key("dora", bytes(32)))), "'dora' is no operator"),
        (People(("anna",), "x", hands=(ANNA,)), "2 different ones are needed"),
        (People(NAMES, "x", hands=(Key("anna", bytes(32)), BORIS)), "not the key that the definition has for anna"),
        (People(("anna", "olga"), "x", hands=(ANNA, OLGA)), "The key of olga is revoked"),
    ):
        with pytest.raises(DeskError, match=why) as caught:
            await decide.freeze(desk.hand, desk.book, contest, {"en": "Checked."}, who)
        assert caught.value.action
    assert (desk.hand.drafts, desk.book.acts) == ([], {})


async def test_both_at_one_machine_sign_and_send_at_once() -> None:
    desk = await opened()
    both = replace(FIRST, hands=(ANNA, BORIS))
    await decide.freeze(desk.hand, desk.book, decide.target(desk.book.plan, "list"), {"en": "Checked."}, both)
    assert [act.operators for act in desk.book.acts.values()] == [NAMES]


async def test_a_key_where_no_operator_has_one_would_prove_nothing() -> None:
    desk = await DeskRoom(replace(definition(), desk=DeskRules(persons=2))).open()
    with pytest.raises(DeskError, match="knows no operator's key"):
        await decide.freeze(desk.hand, desk.book, decide.target(desk.plan, "list"), {"en": "Checked."}, FIRST)


async def drafted(desk: DeskRoom, path: Path, what: str = "list") -> None:
    """A freeze that Anna has signed, in a file."""
    await decide.freeze(desk.hand, desk.book, decide.target(desk.book.plan, what), {"en": "Checked."}, FIRST)
    countersign.save(path, desk.hand.drafts)
    desk.hand.drafts = []


async def test_who_countersigns_is_another_one_and_is_named(tmp_path: Path) -> None:
    desk, path = await opened(), tmp_path / "act.json"
    await drafted(desk, path)
    ((event, draft),) = countersign.load(path)
    for key, why in (
        (ANNA, "has signed .* already"), (CLARA, "names anna, boris, not clara"), (Key("dora", bytes(32)), "no operator"),
        (Key("boris", bytes(32)), "not the key that the definition has for boris"), (OLGA, "is revoked"),
    ):  # fmt: skip
        with pytest.raises(DeskError, match=why):
            countersign.add(desk.book, event, draft, key)
    with pytest.raises(DeskError, match="is of test-2030 test, not of another test"):
        countersign.add((await DeskRoom(replace(definition(), election="another")).open()).book, event, draft, BORIS)
    with pytest.raises(DeskError, match="cannot be written"):
        countersign.save(path, [draft])


def countersigned(desk: DeskRoom, path: Path) -> None:
    """Boris reads and signs."""
    ((event, draft),) = countersign.load(path)
    countersign.add(desk.book, event, draft, BORIS)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text.replace("Checked.", "All is well."), "not that of an operator over these bytes"),
        (lambda text: text.replace("anna:", "clara:"), "not that of an operator over these bytes"),
        (lambda text: text.replace(r"\"act\":", r"\"act\":\"thaw\",\"act\":"), "not written by a command"),
        (lambda text: text.replace("tallyroom.act/v1", "tallyroom.act/v2"), "has format"),
        (lambda text: text[:-9], "holds no decision"),
        (lambda text: text.replace(r"\"type\":\"desk\"", r"\"type\":\"ghost\""), "holds no decision"),
    ],
)
async def test_a_file_that_was_changed_is_refused(tmp_path: Path, change: object, why: str) -> None:
    desk, path = await opened(), tmp_path / "act.json"
    await drafted(desk, path)
    path.write_text(change(path.read_text()))  # type: ignore[operator]
    with pytest.raises(DeskError, match=why):
        countersigned(desk, path)


async def test_what_was_overtaken_has_to_be_made_anew(tmp_path: Path) -> None:
    """An act, an amendment and a correction, each made before another one that stands in the log by now."""
    desk, path = await opened(), tmp_path / "late.json"
    await desk.send(Sent("list", "u1", numbers=(5, 3, 1, 0)).event(desk.plan.definition))
    await three_kinds(desk, FIRST, "Checked.")
    countersign.save(path, desk.hand.drafts)
    await three_kinds(desk, replace(FIRST, hands=(ANNA, BORIS)), "Being checked.")
    late = countersign.load(path)
    assert [type(event).__name__ for event, _ in late] == ["Desk", "Amendment", "Report"]
    for (event, draft), why in zip(
        late, ("was decided since", "cannot be made any more", "has version 2"), strict=True
    ):
        with pytest.raises(DeskError, match=why):
            countersign.add(desk.book, event, draft, BORIS)


async def three_kinds(desk: DeskRoom, who: People, text: str) -> None:
    """A freeze, an amendment and a correction."""
    await decide.freeze(desk.hand, desk.book, decide.target(desk.book.plan, "list"), {"en": text}, who)
    await decide.amendment(desk.hand, desk.book, NEW, who)
    leaf = decide.leaf_of(desk.book, "list:u1")
    await decide.correct(desk.hand, desk.book, leaf, {"P": 6, "valid": 10, "cast": 10}, who)


async def test_three_sign_one_after_the_other(tmp_path: Path) -> None:
    desk, path = await opened(), tmp_path / "act.json"
    three = replace(FIRST, operators=(*NAMES, "clara"))
    await decide.freeze(desk.hand, desk.book, decide.target(desk.book.plan, "list"), {"en": "Checked."}, three)
    for key in (BORIS, CLARA):
        countersign.save(path, desk.hand.drafts, new=False)
        desk.hand.drafts = []
        ((event, draft),) = countersign.load(path)
        await countersign.send(desk.hand, event, countersign.add(desk.book, event, draft, key), None)
    assert [act.operators for act in desk.book.acts.values()] == [("anna", "boris", "clara")]


async def test_a_file_holds_what_everybody_can_read(tmp_path: Path) -> None:
    desk, path = await opened(), tmp_path / "act.json"
    await drafted(desk, path)
    written = json.loads(path.read_bytes())
    assert (written["format"], list(written["acts"][0])) == ("tallyroom.act/v1", ["value", "signatures"])
    assert json.loads(written["acts"][0]["value"])["operators"] == list(NAMES)
