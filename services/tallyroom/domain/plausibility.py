"""Plausibility: what figures can be looked at with suspicion, by code, and the thresholds of a contest. docs/plausibility.md."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final


class Flag(StrEnum):
    """Why figures are marked as doubtful. Each code is explained, with what to do, in docs/plausibility.md."""

    ACCOUNTING = "accounting"  # this and the next: counted although a rule speaks against it, by decision of a person
    PARTS = "parts"
    CAST_OVER_REGISTERED = "cast_over_registered"
    INVALID_SHARE = "invalid_share"
    SWING = "swing"
    DIGIT_JUMP = "digit_jump"
    ONE_SELECTION = "one_selection"
    EXACT_DOUBLE = "exact_double"
    EMPTIED = "emptied"
    IDENTICAL_COUNTS = "identical_counts"
    AREA_INVALID_SHARE = "area_invalid_share"
    AREA_OVER_REGISTER = "area_over_register"
    VOTERS_ADDED = "voters_added"
    CONTROL_DIFFERS = "control_differs"
    OVER_DELIVERY = "over_delivery"
    SOURCE_REGRESSION = "source_regression"
    STALL = "stall"


OF_REPORTS: Final = frozenset(
    {
        Flag.CAST_OVER_REGISTERED, Flag.INVALID_SHARE, Flag.SWING, Flag.DIGIT_JUMP, Flag.ONE_SELECTION,
        Flag.EXACT_DOUBLE, Flag.EMPTIED,
    }
)  # fmt: skip
"""Functions of one unit's reports and the definition: part of the partition's prefix, so a definition may make them refuse."""

INFLATING: Final = frozenset({Flag.DIGIT_JUMP, Flag.ONE_SELECTION, Flag.EXACT_DOUBLE})
"""Said of a step from one version to the next, always upwards. Only a report that lowers figures can take the step back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plausibility:
    """Thresholds of a contest's plausibility rules. Shares are exact: ``"1/2"`` or ``"0.5"``. docs/plausibility.md has the rules.

    ``off``: codes that are not looked for. ``refuse``: rules about one unit's reports (`OF_REPORTS`) that send a report to
    quarantine instead of flagging it. ``invalid``: measures that add up to rejected ballots; those the contest lacks count 0.
    """

    off: tuple[Flag, ...] = ()
    refuse: tuple[Flag, ...] = ()
    minimum: int = 100  # fewest votes, or votes added, that a rule about shares, steps or equal figures looks at
    over_register: str = "0"  # share of the register by which ballots cast may exceed it
    invalid: tuple[str, ...] = ("invalid", "null")
    invalid_share: str = "1/2"  # highest share of rejected ballots in a unit
    area_invalid_share: str = "1/5"  # the same in an area
    swing: str = "1/2"  # largest change of a selection's share against the unit's previous result
    one_selection: str = "49/50"  # share of the votes added by a new version that may go to one selection
    identical_units: int = 3  # units with the same figures from which on they are suspicious
    identical_figures: int = 5  # figures above 9 that must be among them: small ballots are equal by chance
    area_over_register: str = "0"
    voters_added: str = "1/20"  # share of an area's register by which what units report may exceed it
    late_reports: int = 20  # older versions served again by one source
    silence_minutes: int = 180  # without any report while units are outstanding


def problems(plausibility: Plausibility) -> Iterator[str]:
    """Contradictions, each as one sentence."""
    for name in ("over_register", "invalid_share", "area_invalid_share", "swing", "one_selection", "area_over_register",
                 "voters_added"):  # fmt: skip
        text = getattr(plausibility, name)
        try:
            share = Fraction(text)
        except (ValueError, ZeroDivisionError):
            yield f"{name} {text!r} is not a fraction such as 1/20 or 0.05"
        else:
            if not 0 <= share <= 1:
                yield f"{name} {text} is not between 0 and 1"
    for flag in plausibility.refuse:
        if flag not in OF_REPORTS:
            yield f"rule {flag} looks beyond one unit's reports and can only flag, not refuse"
        if flag in plausibility.off:
            yield f"rule {flag} is to refuse and is off"
    if plausibility.identical_units < 2:
        yield "identical_units is below 2"
