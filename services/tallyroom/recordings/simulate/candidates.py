"""Who stands in the 29 districts: winners as far as they are known, placeholders for everybody else."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from tallyroom.domain.election import Role, Selection
from tallyroom.recordings.simulate.facts import AGAINST_ALL, INDEPENDENT, District, Facts, Names, Party

AMANAT: Final = "AMANAT"
_CLOSE_RACES: Final = 4
_SELF_COLOURS: Final = ("#8D6E63", "#A1887F", "#BCAAA4")
_BY_DEDUCTION: Final = "winner-by-deduction"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A choice on a district's ballot. ``weight``: its (simulated) share of the ballots, in parts of all weights."""

    selection: Selection
    weight: int
    wins: bool = False


def candidates(facts: Facts, rng: Random) -> dict[int, tuple[Candidate, ...]]:
    """District number -> its ballot: Amanat, one or two other parties, one to three self-nominated, against all."""
    close = set(rng.sample([district.no for district in facts.districts], _CLOSE_RACES))
    return {district.no: tuple(_ballot(facts, district, district.no in close, rng)) for district in facts.districts}


def _ballot(facts: Facts, district: District, close: bool, rng: Random) -> Iterator[Candidate]:
    parties = {party.id: party for party in facts.parties}
    others = rng.sample([p.id for p in facts.parties if p.id not in (AMANAT, AGAINST_ALL)], rng.randrange(1, 3))
    independent = district.party == INDEPENDENT
    leader = rng.randrange(380, 561)
    weights = [rng.randrange(40, leader * 4 // 5) for _ in range(len(others) + rng.randrange(1, 4))]
    if close:
        weights[0] = leader * rng.randrange(965, 993) // 1000
    rng.shuffle(weights)
    amanat = leader if not independent else weights.pop()
    party_weights, self_weights = weights[: len(others)], weights[len(others) :]
    yield _of_party(district, parties[AMANAT], amanat)
    for party, weight in zip(others, party_weights, strict=True):
        yield _of_party(district, parties[party], weight)
    for number, weight in enumerate([leader] * independent + self_weights, 1):
        yield _self_nominated(district, number, weight)
    against = parties[AGAINST_ALL]
    selection = Selection(
        id=AGAINST_ALL,
        names=against.names,
        role=Role.AGAINST_ALL,
        abbreviations=against.abbreviations,
        colour=against.colour,
    )
    yield Candidate(selection, rng.randrange(20, 60))


def _of_party(district: District, party: Party, weight: int) -> Candidate:
    wins = district.party == party.id
    names = _names(district, wins) or _party_placeholder(party)
    identifier = f"d{district.no:02}-{party.id.lower()}"
    selection = Selection(
        id=identifier,
        names=names,
        role=Role.CANDIDATE,
        abbreviations=party.abbreviations,
        colour=party.colour,
        party=party.id,
        labels=_labels(district, wins),
    )
    return Candidate(selection, weight, wins)


def _self_nominated(district: District, number: int, weight: int) -> Candidate:
    wins = district.party == INDEPENDENT and number == 1
    selection = Selection(
        id=f"d{district.no:02}-self-{number}",
        names=_names(district, wins) or _self_placeholder(number),
        role=Role.CANDIDATE,
        colour=_SELF_COLOURS[(number - 1) % len(_SELF_COLOURS)],
        party=INDEPENDENT,
        labels=_labels(district, wins),
    )
    return Candidate(selection, weight, wins)


def _names(district: District, wins: bool) -> Names | None:
    return district.winner if wins else None


def _labels(district: District, wins: bool) -> tuple[str, ...]:
    if not wins:
        return ("placeholder",)
    if district.winner is None:
        return ("placeholder", _BY_DEDUCTION)
    return (f"winner-{district.winner_certainty}",)


def _party_placeholder(party: Party) -> Names:
    short = {language: party.abbreviations.get(language, party.names["en"]) for language in ("kk", "ru", "en")}
    return {
        "kk": f"{short['kk']} кандидаты (шартты атау)",
        "ru": f"Кандидат: {short['ru']} (условное имя)",
        "en": f"Candidate of {short['en']} (placeholder)",
    }


def _self_placeholder(number: int) -> Names:
    return {
        "kk": f"Өзін-өзі ұсынған {number}-кандидат (шартты атау)",
        "ru": f"Самовыдвиженец {number} (условное имя)",
        "en": f"Self-nominated candidate {number} (placeholder)",
    }
