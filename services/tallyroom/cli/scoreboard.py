"""A snapshot and its definition as a board for a terminal. Every figure says of what; nothing is computed here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tallyroom.cli.drawing import bar, between, percent, shown_name, swatch

_BAR: Final = 28
_QUIET: Final = "dim"
_WARNINGS: Final = {
    "simulation": "SIMULATION: station figures are made up, this is not a result",
    "test": "TEST: a replay or rehearsal, this is not a result of today",
}
_STATES: Final = {
    "decided-above": "over, decided",
    "decided-below": "under, decided",
    "open": "open",
    "above": "over",
    "below": "under",
    "exempt": "exempt",
}


@dataclass(frozen=True)
class _Names:
    """What the definition calls things."""

    definition: Mapping[str, Any]
    language: str

    def contest(self, identifier: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = next(item for item in self.definition["contests"] if item["id"] == identifier)
        return found

    def of(self, item: Mapping[str, Any]) -> str:
        return shown_name(item.get("names"), self.language, item.get("id", "?"))

    def short(self, selection: Mapping[str, Any]) -> str:
        return shown_name(selection.get("abbreviations") or selection.get("names"), self.language, selection["id"])

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(next(iter(self.definition.get("time_zones", ())), "UTC"))

    def time(self, text: str | None) -> str:
        if text is None:
            return "–"
        return f"{datetime.fromisoformat(text).astimezone(self.zone):%d %b %H:%M %Z}"


def draw(snapshot: Mapping[str, Any], definition: Mapping[str, Any], language: str) -> RenderableType:
    """The board: banner, contests with lists or several seats, the districts in one table, houses, estimates."""
    names = _Names(definition, language)
    parts: list[RenderableType] = [*_banner(snapshot, names)]
    small = []
    for contest in snapshot["contests"]:
        if contest.get("winner") is not None and len(snapshot["contests"]) > 3:
            small.append(contest)
        else:
            parts += _contest(contest, names)
    if small:
        parts.append(_districts(small, names))
    parts += [_body(body, names) for body in snapshot.get("bodies", ()) if body.get("parties")]
    parts += _estimates(snapshot.get("estimates", ()), names)
    return Group(*parts)


def _banner(snapshot: Mapping[str, Any], names: _Names) -> Iterator[RenderableType]:
    warning = _WARNINGS.get(snapshot["environment"])
    if warning:
        yield Text(f" {warning} ", style="black on yellow")
    if snapshot.get("stale_since"):
        yield Text(
            f" These figures may be out of date since {names.time(snapshot['stale_since'])} ", style="white on red"
        )
    revision = f", revision {snapshot['revision']:,}" if "revision" in snapshot else ""
    title = Text(names.of({**names.definition, "id": snapshot["election"]}), style="bold")
    yield title.append(f"   {names.time(snapshot.get('clock'))}{revision}", style=_QUIET)


def _contest(contest: Mapping[str, Any], names: _Names) -> Iterator[RenderableType]:
    known = names.contest(contest["contest"])
    heading = Text("\n").append(names.of(known), style="bold").append(f"  {contest['status']}", style=_QUIET)
    yield heading
    if "embargoed_until" in contest:
        yield Text(f"Not public until {names.time(contest['embargoed_until'])}")
        return
    if not contest["areas"]:
        return
    root = contest["areas"][0]
    yield Text(_completeness(root), style=_QUIET)
    yield _bars(contest, root, known, names)
    yield from (Text(line, style=_QUIET) for line in _words(contest, root))


def _completeness(root: Mapping[str, Any]) -> str:
    words = [f"{root['units_reported']:,} of {root['units_expected']:,} units in"]
    words += [f"{root[f'units_{kind}']:,} {kind}" for kind in ("partial", "held", "annulled") if root[f"units_{kind}"]]
    if root["ballots_cast"] is not None:
        words.append(f"{root['ballots_cast']:,} ballots cast")
    if root["turnout_reported"] is not None:
        words.append(
            f"turnout {percent(root['turnout_reported'])} of {root['voters_registered_reported']:,} voters there"
        )
    return ", ".join(words)


def _bars(
    contest: Mapping[str, Any], root: Mapping[str, Any], known: Mapping[str, Any], names: _Names
) -> RenderableType:
    outcome = contest.get("apportionment") or {}
    seats, bars = outcome.get("seats") or {}, (outcome.get("threshold") or {}).get("selections") or {}
    line = tuple(Fraction(item["share"]) for item in [outcome.get("threshold")] if item)
    table = Table(box=None, padding=(0, 1), show_header=bool(seats or bars))
    for title, justify in (("", "left"), ("", "left"), ("share", "right"), ("votes", "right")):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]
    if seats:
        table.add_column("seats", justify="right")
        table.add_column("certain", justify="right")
    if bars:
        table.add_column(f"{percent(str(float(line[0])))} line")
    shares = {name: float(text or 0) for name, text in root["shares"].items()}
    most = max([*shares.values(), 0.000001])
    selections = sorted(known["selections"], key=lambda item: -root["counts"].get(item["id"], 0))
    for item in [one for one in selections if not one.get("parent")][:30]:
        name = item["id"]
        row: list[Any] = [
            swatch(item.get("colour")).append(names.of(item)[:44], style="default"),
            bar(shares.get(name, 0.0) / most, _BAR, item.get("colour")),
            percent(root["shares"].get(name), line),
            f"{root['counts'].get(name, 0):,}",
        ]
        if seats:
            seat = seats.get(name)
            row += [str(seat["now"]), between(seat["certain_min"], seat["certain_max"])] if seat else ["", ""]
        if bars:
            row.append(_state(bars.get(name)))
        table.add_row(*row)
    return table


def _state(found: Mapping[str, Any] | None) -> Text:
    """Where a list stands at the threshold and what would change it."""
    if found is None:
        return Text("")
    text = Text(_STATES.get(found["state"], found["state"]))
    if found["state"].startswith("decided") and found.get("flip_corrected_votes") is not None:
        text.append(
            f" ({found['decided_by']}); {found['flip_corrected_votes']:,} votes struck off would change it", _QUIET
        )
    elif found.get("flip_new_votes") is not None:
        text.append(f"; {found['flip_new_votes']:,} new votes would change it", style=_QUIET)
    return text


def _words(contest: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[str]:
    base = root["share_denominator"]
    yield f"Shares of {base['value']:,} ({base['of']})"
    entering = ((contest.get("apportionment") or {}).get("threshold") or {}).get("entering")
    if entering:
        many = between(entering["minimum"], entering["maximum"])
        yield f"{many} will pass the threshold, whatever is outstanding"
    out = contest.get("outstanding") or {}
    known = [f"at most {out[level]:,} by {words}" for level, words in _LEVELS if out.get(level) is not None]
    if known:
        guess = f", {out['expected']:,} expected at the turnout so far" if out.get("expected") is not None else ""
        yield f"Outstanding ballots: {', '.join(known)}{guess}"
    count = contest["corrections"]["count"]
    if count:
        yield f"{count:,} accepted reports lowered figures of their unit"


_LEVELS: Final = (("register", "the register"), ("issued", "ballots issued"))


def _districts(contests: list[Mapping[str, Any]], names: _Names) -> RenderableType:
    table = Table(title="\nContests with one winner", title_justify="left", box=None, padding=(0, 1))
    for title in ("", "leads", "share", "ahead by", "units in", "state"):
        table.add_column(title, justify="right" if title in ("share", "ahead by", "units in") else "left")
    for contest in contests:
        known, race = names.contest(contest["contest"]), contest["winner"]
        root = contest["areas"][0] if contest["areas"] else None
        items = {item["id"]: item for item in known["selections"]}
        leading = items.get(race["selection"])
        table.add_row(
            names.of(known)[:40],
            swatch(leading.get("colour")).append(names.short(leading)[:36], style="default") if leading else _tie(race),
            percent(root["shares"].get(race["selection"])) if root else "–",
            f"{race['margin']:,}",
            f"{root['units_reported']:,} / {root['units_expected']:,}" if root else "–",
            race["state"] + (f" ({race['decided_by']})" if race["decided_by"] else ""),
        )
    return table


def _tie(race: Mapping[str, Any]) -> Text:
    return Text("tie: " + " = ".join(race["tied"]) if race["tied"] else "nothing counted", style=_QUIET)


def _body(body: Mapping[str, Any], names: _Names) -> RenderableType:
    known = next(item for item in names.definition["bodies"] if item["id"] == body["body"])
    colours, called = _parties(known, names)
    table = Table(box=None, padding=(0, 1))
    for title in ("", "", "seats", "certain"):
        table.add_column(title, justify="right" if title else "left")
    for party, seats in body["parties"].items():
        if not seats["certain_max"]:
            continue
        table.add_row(
            swatch(colours.get(party)).append(called.get(party, party), style="default"),
            bar(seats["now"] / body["seats"], 2 * _BAR, colours.get(party)),
            str(seats["now"]),
            between(seats["certain_min"], seats["certain_max"]),
        )
    lines = [f"{body['seats']} seats, {body['open']} open"]
    for line, majority in zip(body["majorities"], known.get("majorities", ()), strict=False):
        who = [called.get(party, party) for party in line["certain"]] or ["nobody for certain"]
        lines.append(f"{names.of(majority)} ({line['seats']}): {', '.join(who)}")
    return Panel(Group(table, Text("; ".join(lines), style=_QUIET)), title=names.of(known), title_align="left")


def _parties(known: Mapping[str, Any], names: _Names) -> tuple[dict[str, str | None], dict[str, str]]:
    """Colour and name of every party of the house."""
    colours: dict[str, str | None] = {}
    called: dict[str, str] = {party: names.of({"names": text}) for party, text in known.get("party_names", {}).items()}
    for contest in known["contests"]:
        for item in names.contest(contest)["selections"]:
            party = known.get("parties", {}).get(item["id"]) or item.get("party") or item["id"]
            if party == item["id"]:
                colours[party], called[party] = item.get("colour"), names.short(item)
            else:
                colours.setdefault(party, item.get("colour"))
    return colours, called


def _estimates(estimates: Any, names: _Names) -> Iterator[RenderableType]:
    if not estimates:
        return
    yield Text("\nEstimates by pollsters; not a part of the count", style="bold")
    for item in estimates:
        shares = sorted(item["shares"].items(), key=lambda one: -float(one[1]))
        known = {one["id"]: one for one in names.contest(item["contest"])["selections"]}
        listed = ", ".join(f"{names.short(known[name])} {percent(text)}" for name, text in shares if name in known)
        yield Text(f"{names.of(item)} ({item['method']}): {listed}", style=_QUIET)
