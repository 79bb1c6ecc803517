"""The election definition of the built-in night."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Final

from tallyroom.domain.election import (
    Accounting,
    Allocation,
    Area,
    Body,
    Contest,
    Definition,
    Environment,
    Identity,
    Majority,
    Names,
    Relation,
    ReportingUnit,
    Role,
    Rule,
    Selection,
    Source,
    Threshold,
    UnitKind,
    VoterPool,
)
from tallyroom.recordings.simulate.candidates import Candidate
from tallyroom.recordings.simulate.facts import AGAINST_ALL, District, Facts, Party, Region
from tallyroom.recordings.simulate.stations import Station

ELECTION: Final = "kz-2023"
COUNTRY: Final = "KZ"
LIST: Final = "list"
HOUSE: Final = "mazhilis"
COMMISSION: Final = "cec"
DESK: Final = "desk"
POOL: Final = "kz"
RELEASE_AT: Final = datetime(2023, 3, 19, 15, tzinfo=UTC)
"""21:00 in Astana: the last domestic polls (five regions at UTC+5) have closed."""
LAW: Final = "Constitutional Law on Elections in the Republic of Kazakhstan"
_LIST_LAW: Final = (
    f"{LAW}, Art. 97-1: quota of the admitted lists, then largest remainders; 5 per cent of those who took part"
)
_LIST_CERTAINTY: Final = (
    "Art. 97-1 was read in its 7 per cent edition; the 5 per cent edition was not."
    " Base of the threshold: parties and against all, as every published percentage fits."
    " Hare gives the official seats."
    " One party alone over it: the next is admitted too; the reduction of its quotient to 0.7 is not modelled."
)
_NOTE: Final = {
    "kk": "Модельдеу: ұлттық қорытындылар, тізімдегі сайлаушылар саны және қатысу хабарламалары жарияланған дерек;"
    " учаскелер, олардың дауыстары және уақыты ойдан құрастырылған.",
    "ru": "Моделирование: опубликованы итоги по стране, число избирателей и сообщения о явке;"
    " участки, их голоса и время поступления придуманы генератором.",
    "en": "Simulation: national totals, the voter list and the turnout bulletins are as published;"
    " the stations, their votes and their times of arrival are made up by a generator.",
}


def district_id(no: int) -> str:
    """The contest of a district."""
    return f"district-{no:02}"


def district_area(no: int) -> str:
    """The root area of a district's contest."""
    return f"{COUNTRY}-D{no:02}"


def definition(facts: Facts, stations: Sequence[Station], ballots: Mapping[int, Sequence[Candidate]]) -> Definition:
    """The whole election; ``ballots``: district number -> candidates."""
    regions = {region.id: region for region in facts.regions}
    districts = tuple(_district(d, regions[d.region], ballots[d.no], stations) for d in facts.districts)
    contests = (_list(facts, stations), *districts)
    return Definition(
        election=ELECTION,
        environment=Environment.SIMULATION,
        names={
            "kk": "Мәжіліс сайлауы, 2023 жылғы 19 наурыз (модельдеу)",
            "ru": "Выборы в Мажилис, 19 марта 2023 года (моделирование)",
            "en": "Mazhilis election, 19 March 2023 (simulation)",
        },
        date=date(2023, 3, 19),
        time_zones=tuple(sorted({region.time_zone for region in facts.regions})),
        languages=("kk", "ru", "en"),
        sources=_sources(facts),
        areas=_areas(facts, regions),
        units=tuple(_unit(station) for station in stations),
        contests=contests,
        pools=(_pool(facts),),
        bodies=(_house(facts, contests),),
        release_at=RELEASE_AT,
        attribution=attribution(),
        notes=_NOTE,
    )


def attribution() -> Names:
    """Whose figures these are."""
    return {
        "kk": "Жарияланған деректер: Қазақстан Республикасының Орталық сайлау комиссиясы. Модельдеу: Tallyroom.",
        "ru": "Опубликованные данные: Центральная избирательная комиссия РК. Моделирование: Tallyroom.",
        "en": "Published figures: Central Election Commission of the Republic of Kazakhstan. Simulation: Tallyroom.",
    }


def _sources(facts: Facts) -> tuple[Source, ...]:
    commission = Source(
        id=COMMISSION,
        names={
            "kk": "Орталық сайлау комиссиясы (модельдеу)",
            "ru": "Центральная избирательная комиссия (моделирование)",
            "en": "Central Election Commission (simulated)",
        },
        may_report=("report", "participation", "control", "declaration", "amendment"),
    )
    names = {"kk": "Оператор", "ru": "Оператор", "en": "Operator"}
    desk = Source(id=DESK, names=names, may_report=("desk", "amendment"))
    pollsters = (Source(id=poll.id, names=poll.names, may_report=("estimate",)) for poll in facts.exit_polls)
    return (commission, desk, *pollsters)


def _areas(facts: Facts, regions: Mapping[str, Region]) -> tuple[Area, ...]:
    names = {"kk": "Қазақстан", "kk-Latn": "Qazaqstan", "ru": "Казахстан", "en": "Kazakhstan"}
    country = Area(id=COUNTRY, level="national", names=names, codes={"iso_3166_1": "KZ"})
    districts = (
        Area(
            id=district_area(district.no),
            level="district",
            names=_district_names(district, regions[district.region]),
            codes={"district": str(district.no)},
            time_zone=regions[district.region].time_zone,
        )
        for district in facts.districts
    )
    return (country, *(_region(region) for region in facts.regions), *districts)


def _region(region: Region) -> Area:
    notes = {}
    if region.registered_certainty == "estimate":
        notes = {
            "kk": "Тізімдегі сайлаушылар саны жарияланбаған: бағалау.",
            "ru": "Число избирателей не опубликовано: оценка.",
            "en": "The number of registered voters was not published: an estimate.",
        }
    codes = {"iso_3166_2": region.id}
    return Area(id=region.id, level="region", names=region.names, codes=codes, time_zone=region.time_zone, notes=notes)


def _district_names(district: District, region: Region) -> Names:
    return {
        "kk": f"№ {district.no} сайлау округі ({region.names['kk']})",
        "ru": f"Избирательный округ № {district.no} ({region.names['ru']})",
        "en": f"Electoral district No. {district.no} ({region.names['en']})",
    }


def _unit(station: Station) -> ReportingUnit:
    number = station.number
    if station.overseas:
        names = {
            "kk": f"Шетелдегі №{number} модельдік учаске",
            "ru": f"Модельный участок за рубежом № {number}",
            "en": f"Simulated station abroad {number}",
        }
    else:
        names = {
            "kk": f"№{number} модельдік учаске",
            "ru": f"Модельный участок № {number}",
            "en": f"Simulated station {number}",
        }
    return ReportingUnit(
        id=station.id,
        kind=UnitKind.OVERSEAS if station.overseas else UnitKind.PRECINCT,
        names=names,
        registered=station.registered,
        pool=POOL,
        time_zone=station.time_zone,
        opens_at=station.opens_at,
        closes_at=station.closes_at,
        labels=station.labels,
    )


def _accounting() -> Accounting:
    return Accounting(
        measures=("cast", "valid"),
        cast="cast",
        share_base=("selections",),
        identities=(
            Identity(total="valid", parts=("selections",)),
            Identity(total="cast", parts=("valid",), relation=Relation.AT_LEAST),
        ),
        labels={
            "cast": {"kk": "Берілген бюллетеньдер", "ru": "Выдано бюллетеней", "en": "Ballots issued"},
            "valid": {"kk": "Жарамды бюллетеньдер", "ru": "Действительные бюллетени", "en": "Valid ballots"},
        },
    )


def _list(facts: Facts, stations: Sequence[Station]) -> Contest:
    rule = Rule(
        method="hare",
        seats=facts.national.list_seats,
        law=_LIST_LAW,
        allocations=(Allocation(area=COUNTRY, seats=facts.national.list_seats),),
        thresholds=(Threshold(share="1/20", minimum_parties=2),),
        certainty=_LIST_CERTAINTY,
    )
    return Contest(
        id=LIST,
        names={"kk": "Партиялық тізімдер", "ru": "Партийные списки", "en": "Party lists"},
        selections=tuple(_party(party) for party in facts.parties),
        accounting=_accounting(),
        areas={COUNTRY: None, **{region.id: COUNTRY for region in facts.regions}},
        units={station.id: station.region for station in stations},
        source=COMMISSION,
        rule=rule,
        labels=("simulation", "cast-is-ballots-issued", "abroad-in-astana"),
    )


def _party(party: Party) -> Selection:
    return Selection(
        id=party.id,
        names=party.names,
        role=Role.AGAINST_ALL if party.id == AGAINST_ALL else Role.PARTY,
        abbreviations=party.abbreviations,
        colour=party.colour,
    )


def _district(district: District, region: Region, ballot: Sequence[Candidate], stations: Sequence[Station]) -> Contest:
    area = district_area(district.no)
    return Contest(
        id=district_id(district.no),
        names=_district_names(district, region),
        selections=tuple(candidate.selection for candidate in ballot),
        accounting=_accounting(),
        areas={area: None},
        units={station.id: area for station in stations if station.district == district.no},
        source=COMMISSION,
        rule=Rule(
            method="plurality",
            seats=1,
            law=f"{LAW}: most votes in the district (as amended in 2022; the article was not read)",
            allocations=(Allocation(area=area, seats=1),),
        ),
        labels=("simulation", "cast-is-ballots-issued", "candidates-simulated"),
    )


def _pool(facts: Facts) -> VoterPool:
    return VoterPool(
        id=POOL,
        names={"kk": "Қазақстан", "ru": "Казахстан", "en": "Kazakhstan"},
        registered=facts.roll.closing,
        may_be_added=facts.roll.closing - facts.roll.opening,
        may_vote_away=facts.roll.certificates,
    )


def _house(facts: Facts, contests: Sequence[Contest]) -> Body:
    seats = facts.national.seats
    parties = {s.id: s.party or s.id for c in contests for s in c.selections if s.role is not Role.AGAINST_ALL}
    return Body(
        id=HOUSE,
        names={"kk": "Мәжіліс", "ru": "Мажилис", "en": "Mazhilis"},
        seats=seats,
        contests=tuple(contest.id for contest in contests),
        majorities=(
            Majority(seats=seats // 2 + 1, names={"kk": "Көпшілік", "ru": "Большинство", "en": "Majority"}),
            Majority(
                seats=-(-seats * 2 // 3),
                names={"kk": "Үштен екі көпшілік", "ru": "Большинство в две трети", "en": "Two-thirds majority"},
            ),
        ),
        parties=parties,
    )
