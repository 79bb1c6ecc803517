"""Importers of real nights against the archives' own totals, and against the tabulation room."""

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tallyroom.apportionment.allocate import apportion
from tallyroom.apportionment.model import Apportionment, Figures
from tallyroom.apportionment.rules import problem_of
from tallyroom.codec.events import Report, decode_event
from tallyroom.domain.election import UnitKind
from tallyroom.domain.errors import RecordingError
from tallyroom.recordings.builtin import CHECKOUT
from tallyroom.recordings.format import DEFINITION, EVENTS, MANIFEST, Recording
from tallyroom.recordings.nights import IMPORTERS, bw2025_constituencies, import_night
from tallyroom.recordings.nights.bw2025 import constituency_contest
from tallyroom.recordings.nights.bw2025_names import PARTIES
from tallyroom.recordings.nights.common import Archive
from tests.support.folding import folded
from tests.support.shared import archived_night

Import = Callable[[str], Recording]

BW = "de-bw-2025-bundestag-night"
PE = "pe-2021-runoff"
US = "us-2020-president-night"
TK = "nl-tk2023"
GR = "nl-gr2022-west-maas-en-waal"


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Import:
    """Imports each archive once for all tests of this module."""

    @cache
    def convert(name: str) -> Recording:
        out = tmp_path_factory.mktemp(name)
        import_night(archived_night(name), out)
        return Recording(out)

    return convert


def manifest_of(name: str) -> dict[str, Any]:
    """The archive's own manifest."""
    decoded: dict[str, Any] = msgspec.json.decode((archived_night(name) / "manifest.json").read_bytes())
    return decoded


def reports(recording: Recording) -> list[Report]:
    """All events; importers make nothing but reports."""
    found = [decode_event(event.value) for event in recording.events()]
    assert all(isinstance(event, Report) for event in found)
    return [event for event in found if isinstance(event, Report)]


@pytest.mark.parametrize("name", sorted(IMPORTERS))
def test_tabulation_agrees_with_golden_and_refuses_nothing(imported: Import, name: str) -> None:
    recording = imported(name)
    recording.verify()
    result = folded(recording)
    assert result.totals == recording.manifest.golden
    expect = recording.manifest.expect
    tallies = result.tallies
    assert tallies.quarantined == 0
    assert tallies.accepted == recording.manifest.events == expect["accepted"]
    assert tallies.superseded == expect["superseded"]
    assert tallies.decreases == expect.get("decreases_tabulated", expect["decreases"])
    assert (tallies.duplicates, tallies.late) == (0, 0)


@pytest.mark.parametrize("name", sorted(IMPORTERS))
def test_replays_are_marked_and_say_what_they_replay(imported: Import, name: str) -> None:
    manifest, definition = imported(name).manifest, imported(name).definition()
    assert (manifest.environment, definition.environment) == ("test", "test")
    assert manifest.real
    assert definition.notes["en"].startswith("Replay of the ")
    assert definition.notes["en"] == " ".join(manifest.notes)
    assert manifest.licence
    assert definition.attribution["en"] == manifest.attribution != ""


@pytest.mark.parametrize("name", [BW, TK, GR, US])
def test_equal_input_gives_equal_bytes(imported: Import, name: str, tmp_path: Path) -> None:
    import_night(archived_night(name), tmp_path)
    for file in (MANIFEST, DEFINITION, EVENTS):
        assert (tmp_path / file).read_bytes() == (imported(name).folder / file).read_bytes()


def test_bw_equals_the_official_totals(imported: Import) -> None:
    golden = imported(BW).manifest.golden
    official = manifest_of(BW)["official_totals"]["values"]
    for contest in ("first", "second"):
        totals = golden[contest]
        counts = {option: totals.counts[PARTIES[option][0]] for option in manifest_of(BW)["options"][contest]}
        assert {f"{contest}:{option}": votes for option, votes in counts.items()}.items() <= official.items()
        assert len(totals.counts) == len(counts)
        assert totals.ballots == {
            "cast": official["all:cast"],
            "valid": official[f"{contest}:valid"],
            "invalid": official[f"{contest}:invalid"],
        }
        assert totals.voters_registered == official["all:registered"]
        assert (totals.units_reported, totals.units_expected) == (1104, 1104)


def test_bw_fallen_figures_are_rows_of_the_source(imported: Import) -> None:
    """546 rows of 221 municipalities, cast and registered once each; both reports of a municipality carry them."""
    expect = imported(BW).manifest.expect
    assert (expect["decreases"], expect["decreases_units"]) == (546, 221)
    assert expect["decreases_tabulated"] == len(fallen(imported(BW)))
    of_the_state = [fall for fall in fallen(imported(BW)) if fall[0] in ("first", "second")]
    cast, registered = 47, 5
    assert len(of_the_state) == 546 + cast + registered == 598


def fallen(recording: Recording) -> list[tuple[str, str, str]]:
    """(contest, unit, figure) of everything that fell."""
    return [(fall.leaf.plan.id, fall.leaf.unit, name) for fall in folded(recording).decreases for name in fall.fell]


def test_bw_every_fallen_row_of_the_source_is_labelled(imported: Import) -> None:
    labelled = fallen(imported(BW))
    first = {(unit, name) for contest, unit, name in labelled if contest == "first"}
    second = {(unit, name) for contest, unit, name in labelled if contest == "second"}
    both = {(unit, name) for unit, name in first & second if name in ("cast", "registered")}
    assert len(first) + len(second) - len(both) == 546
    assert len({unit for unit, _ in first | second}) == 221
    assert {unit for unit, name in both if name == "registered"} == {
        "08118048", "08136089", "08337096", "08415058", "08436067",
    }  # fmt: skip


def test_bw_a_register_that_changed_is_reported_in_both_contests(imported: Import) -> None:
    """Two of the five that fell are all that changed there: 08136089 and 08415058."""
    defined = {unit.id: unit.registered for unit in imported(BW).definition().units}
    changed = [report for report in reports(imported(BW)) if report.registered is not None]
    assert all(report.registered != defined[report.unit] for report in changed)
    of_state, of_constituencies = (
        Counter(report.contest for report in changed if (report.contest in ("first", "second")) is state)
        for state in (True, False)
    )
    assert of_state == {"first": 14, "second": 14}
    assert of_constituencies.total() == 14
    newest = {(report.contest, report.unit): report for report in changed}
    assert defined["08136089"] == 2891
    assert {newest[contest, "08136089"].registered for contest in ("first", "second")} == {2637}


def test_bw_corrections_have_no_invented_reason(imported: Import) -> None:
    later = [report for report in reports(imported(BW)) if report.version > 1]
    assert len(later) == imported(BW).manifest.expect["superseded"]
    assert {report.kind for report in later} == {"correction"}
    assert {report.reason for report in later} == {None}


def test_bw_postal_units_have_no_roll(imported: Import) -> None:
    units = imported(BW).definition().units
    without = {unit.id for unit in units if unit.registered is None}
    assert without == {"08336991", "08425991", "08436991"}
    assert {unit.id for unit in units if unit.kind is UnitKind.POSTAL} == without


def test_bw_districts_are_named_and_hold_every_municipality(imported: Import) -> None:
    definition = imported(BW).definition()
    assert len([area for area in definition.areas if area.level == "district"]) == 44
    assert all(area == unit[:5] for contest in definition.contests[:2] for unit, area in contest.units.items())
    names = {unit.id: unit.names["de"] for unit in definition.units}
    assert names["08211000"] == "Baden-Baden, Stadt"


def test_bw_constituencies_are_those_of_the_source(imported: Import) -> None:
    """Every constituency's figures, summed over the municipalities assigned to it, are the source's own row of it."""
    said: dict[str, dict[str, int]] = {}
    for row in Archive(archived_night(BW)).rows("events.csv.gz"):
        if row["level"] == "constituency" and row["area_id"] != "BW" and row["contest"] in ("", "first"):
            said.setdefault(row["area_id"], {})[row["option"]] = int(row["votes"])
    golden = imported(BW).manifest.golden
    assert len(said) == 38
    for number, figures in said.items():
        totals = golden[constituency_contest(number)]
        assert totals.counts == {PARTIES[name][0]: figures[name] for name in PARTIES if name in figures}
        assert totals.ballots == {name: figures[name] for name in ("cast", "valid", "invalid")}
        assert totals.voters_registered == figures["registered"]
    units = Counter(unit for c in imported(BW).definition().contests[2:] for unit in c.units)
    assert set(units.values()) == {1}
    assert len(units) == 1103 + 2


def test_bw_a_pool_has_the_voters_of_its_constituency(imported: Import) -> None:
    definition = imported(BW).definition()
    pools = {pool.id: pool.registered for pool in definition.pools}
    voters: Counter[str] = Counter()
    for unit in definition.units:
        voters[unit.pool or "Stuttgart as a whole"] += unit.registered or 0
    assert voters.pop("Stuttgart as a whole") == 363826
    assert voters == pools


def test_bw_a_municipality_in_the_wrong_constituency_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bw2025_constituencies._BY_MUNICIPALITY, "08115046", "260")
    with pytest.raises(RecordingError, match=r"constituency 26[02] do not add up"):
        import_night(archived_night(BW), tmp_path)


def test_bw_built_in_night_is_what_the_importer_makes(imported: Import) -> None:
    for made, kept in zip(imported(BW).events(), Recording(CHECKOUT / "bw-2025").events(), strict=True):
        assert made == kept
    assert Recording(CHECKOUT / "bw-2025").definition() == imported(BW).definition()


def test_pe_golden_and_annulled_sheets_are_the_sums_of_the_archive(imported: Import) -> None:
    manifest = imported(PE).manifest
    golden = manifest.golden["president-runoff"]
    annulled = manifest.expect["annulled_ballots"]
    sums = manifest_of(PE)["totals_in_this_set"]
    assert golden.counts == {name: sums[name] for name in ("perulibre", "fuerzapopular")}
    for measure, column in (("cast", "cast"), ("blank", "blank"), ("null", "null"), ("challenged", "impugned")):
        assert golden.ballots[measure] + annulled[measure] == sums[column]
    assert annulled["cast"] == 44953
    assert (golden.units_expected, golden.units_reported) == (86488, 86262)
    assert (golden.units_annulled, golden.units_not_opened, golden.units_held) == (220, 6, 0)
    assert golden.voters_registered == manifest_of(PE)["registered"]


def test_pe_status_words_become_dispositions(imported: Import) -> None:
    """The first snapshot: what the archive says of each status word; pending sheets have not reported."""
    said = Counter(manifest_of(PE)["status_counts"]["2021-06-08T16:15:44Z"])
    first = [report for report in reports(imported(PE)) if report.reported_at == imported(PE).manifest.first]
    held = Counter(report.reason for report in first if report.disposition == "held")
    dispositions = Counter(report.disposition for report in first)
    pending = said["ACTA ELECTORAL PENDIENTE"] + said["EN PROCESO DE DIGITACION"]
    assert len(first) == 86488 - pending
    assert dispositions["counted"] == said["CONTABILIZADAS NORMALES"]
    assert dispositions["annulled"] == said["ACTA ELECTORAL ANULADA"]
    assert dispositions["not_opened"] == said["MESA NO INSTALADA"]
    assert held.items() <= said.items()
    assert held.total() == dispositions["held"] == 483 + 196 + 104 + 397 + 126 + 60 + 1


def test_pe_sheets_that_contradict_themselves_keep_their_figures(imported: Import) -> None:
    bare = [r for r in reports(imported(PE)) if r.disposition == "held" and not r.counts]
    assert len(bare) == imported(PE).manifest.expect["held_without_counts"]
    assert all(set(r.ext["sheet"]) == {"perulibre", "fuerzapopular", "cast", "blank", "null", "impugned"} for r in bare)
    assert all(r.counts for r in reports(imported(PE)) if r.disposition == "counted")


def test_us_equals_the_totals_of_the_archive(imported: Import) -> None:
    golden, sums = imported(US).manifest.golden, manifest_of(US)["totals_in_this_set"]
    assert len(golden) == 51
    assert sum(totals.counts["biden"] for totals in golden.values()) == sums["Biden"]
    assert sum(totals.counts["trump"] for totals in golden.values()) == sums["Trump"]
    assert sum(totals.ballots["cast"] for totals in golden.values()) == sums["all"]
    assert {(totals.units_partial, totals.units_reported) for totals in golden.values()} == {(1, 0)}


def test_us_precincts_are_not_all(imported: Import) -> None:
    """In 28 states every precinct reported; ballots came after that, and so a state has one part more than precincts."""
    newest = {report.unit: report for report in reports(imported(US))}
    parts = [report.parts for report in newest.values() if report.parts is not None]
    assert len(parts) == 51
    assert sum(part.expected - part.reported == 1 for part in parts) == 28
    done: dict[str, int] = {}
    for report in reports(imported(US)):
        if report.parts is not None and report.parts.expected - report.parts.reported == 1:
            done.setdefault(report.unit, report.ballots["cast"])
    assert newest["alaska"].ballots["cast"] - done["alaska"] == 168_560
    assert newest["mississippi"].ballots["cast"] - done["mississippi"] == 72_162


def test_us_electors_of_districts_are_given_to_nobody(imported: Import) -> None:
    definition, golden = imported(US).definition(), imported(US).manifest.golden
    (college,) = definition.bodies
    taken: Counter[str] = Counter()
    for contest, electors in college.weights.items():
        counts = golden[contest].counts
        taken[max(counts, key=lambda name: counts[name])] += electors
    assert taken == {"biden": 304, "trump": 229}
    assert college.seats - taken.total() == 5


def test_us_falls_are_those_of_the_archive(imported: Import) -> None:
    fell: Counter[str] = Counter()
    newest: dict[str, dict[str, int]] = {}
    for report in reports(imported(US)):
        figures = {**report.counts, **report.ballots}
        before = newest.get(report.unit, {})
        lower = [name for name, value in figures.items() if value < before.get(name, 0)]
        fell.update(lower)
        assert (report.kind == "correction") is bool(lower)
        newest[report.unit] = figures
    said = manifest_of(US)["checks"]["downward corrections in events"]
    assert (fell["biden"], fell["trump"], fell["cast"]) == (said["Biden"], said["Trump"], said["*cast*"])


def test_tk_equals_the_totals_of_the_archive(imported: Import) -> None:
    golden = imported(TK).manifest.golden["tk2023"]
    said = manifest_of(TK)
    names = {f"list-{key}": name for key, name in said["options"].items() if name}
    assert {names[selection]: votes for selection, votes in golden.counts.items()} == said["totals_in_this_set"]
    other = said["other_totals"]
    assert golden.ballots == {
        "cast": other["aangetroffen stembiljetten"],
        "valid": other["geldige stembiljetten"],
        "blank": other["blanco stembiljetten"],
        "invalid": other["ongeldige stembiljetten"],
    }
    assert golden.voters_registered == said["registered"]
    assert golden.units_reported == golden.units_expected == 378 + 341
    assert imported(TK).manifest.expect["cast_over_registered"] == 37


def test_tk_seats_follow_from_the_counts(imported: Import) -> None:
    """Largest averages over the lists with at least one 150th of the votes, counted out seat by seat."""
    manifest = imported(TK).manifest
    counts = manifest.golden["tk2023"].counts
    admitted = {name: votes for name, votes in counts.items() if 150 * votes >= sum(counts.values())}
    seats = Counter(
        name
        for _, name in sorted(
            ((Fraction(votes, n), name) for name, votes in admitted.items() for n in range(1, 151)), reverse=True
        )[:150]
    )
    assert seats == manifest.expect["seats"]


def test_gr_equals_the_totals_of_the_archive(imported: Import) -> None:
    golden = imported(GR).manifest.golden["council"]
    said = manifest_of(GR)
    lists = {name: golden.counts[f"list-{key}"] for key, name in said["options"].items()}
    assert lists == said["totals_in_this_set"]
    other = said["other_totals"]
    assert golden.ballots == {
        "cast": other["total_counted"] + other["blanco"] + other["ongeldig"],
        "valid": other["total_counted"],
        "blank": other["blanco"],
        "invalid": other["ongeldig"],
    }
    assert golden.voters_registered == said["registered"]
    definition = imported(GR).definition()
    assert len([s for s in definition.contests[0].selections if s.parent is not None]) == said["candidates"]
    assert len([unit for unit in definition.units if unit.registered is None]) == 10


def test_gr_seats_follow_from_the_counts(imported: Import) -> None:
    """Whole quotas, then largest remainders; every list has more than 75 per cent of a quota."""
    counts = imported(GR).manifest.golden["council"].counts
    lists = {name: votes for name, votes in counts.items() if name.count("-") == 1}
    quota = Fraction(sum(lists.values()), 17)
    assert all(4 * votes >= 3 * quota for votes in lists.values())
    seats = Counter({name: votes // quota for name, votes in lists.items()})
    seats.update(sorted(lists, key=lambda name: lists[name] % quota, reverse=True)[: 17 - seats.total()])
    assert sorted(seats.values()) == [1, 2, 2, 2, 2, 2, 3, 3]
    contest = imported(GR).definition().contests[0]
    problem = problem_of(contest, Figures(votes=lists))
    assert problem is not None
    made = apportion(problem)
    assert isinstance(made, Apportionment)
    candidates = [s.list_candidates or 0 for s in contest.selections if s.parent is None]
    assert sum(candidates) == 251
    assert min(candidates) > max(seats.values())
    assert made.seats == seats


@pytest.mark.parametrize("name", [TK, GR])
def test_made_up_arrivals_are_marked_and_spread(imported: Import, name: str) -> None:
    found = reports(imported(name))
    assert {report.ext["arrival"] for report in found} == {"synthetic"}
    assert len({report.reported_at for report in found}) > len(found) * 0.9
    assert any("made up" in note for note in imported(name).manifest.notes)


def test_unknown_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "atlantis-2020"}')
    with pytest.raises(RecordingError, match="no importer knows 'atlantis-2020'"):
        import_night(tmp_path, tmp_path / "out")
    with pytest.raises(RecordingError, match="is no archived night"):
        import_night(tmp_path / "nowhere", tmp_path / "out")


def test_damaged_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(
        '{"name": "nl-gr2022-west-maas-en-waal", "files": [{"file": "stations.csv.gz", "sha256": "00"}]}'
    )
    (tmp_path / "stations.csv.gz").write_bytes(b"")
    with pytest.raises(RecordingError, match="does not have the SHA-256"):
        import_night(tmp_path, tmp_path / "out")
