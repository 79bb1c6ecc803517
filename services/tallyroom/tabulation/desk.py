"""What the operators' acts change of a partition's verdicts, and when an act of theirs may stand.

An act about a source is written to every partition, so that its effect is a function of each partition's prefix. Acts about
contests and areas (freeze, call ...) change no verdict: they are the publisher's.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tallyroom.domain.desk import Operator
from tallyroom.domain.events import DeskAct, Refusal

_ABOUT_SOURCES: Final = frozenset({"freeze", "thaw", "accept_with_flag", "accept_strictly"})


class DeskState:
    """The acts in force at the end of a prefix. ``frozen``: sources whose reports wait; ``flagging``: sources whose sheets are
    counted with a flag although they do not add up."""

    __slots__ = ("flagging", "frozen")

    def __init__(self) -> None:
        self.frozen: frozenset[str] = frozenset()
        self.flagging: frozenset[str] = frozenset()

    def take(self, act: DeskAct) -> None:
        """The act is in force from here on."""
        source = act.target_source
        if source is None:
            return
        match act.act:
            case "freeze":
                self.frozen |= {source}
            case "thaw":
                self.frozen -= {source}
            case "accept_with_flag":
                self.flagging |= {source}
            case "accept_strictly":
                self.flagging -= {source}


def persons(operators: Iterable[str]) -> frozenset[str]:
    """The different people named: case, width and spacing of a name do not make another person; blank names are nobody."""
    folded = (" ".join(unicodedata.normalize("NFKC", name).casefold().split()) for name in operators)
    return frozenset(name for name in folded if name)


def too_few(operators: Sequence[str], needed: int) -> str | None:
    """What is wrong with the names behind a decision, or None."""
    named = persons(operators)
    if len(named) < len(operators):
        return "an operator is named twice, or a name is blank"
    if len(named) < needed:
        return f"{len(named)} operators named, {needed} different ones are needed"
    return None


def unproven(operators: Mapping[str, Operator], named: Sequence[str], signed: Sequence[str]) -> str | None:
    """What is wrong with the proofs behind a decision, or None. ``operators``: those of the definition as it stands here.

    ``signed``: for each signature that came with it, whose it is; empty if it does not hold. Every person named has signed, once,
    and nobody else: a name without a signature would be somebody's word about another one.
    """
    for name in named:
        operator = operators.get(name)
        if operator is None:
            return f"{name!r} is no operator of the definition"
        if operator.revoked_at is not None:
            return f"the key of operator {name} is revoked since {operator.revoked_at.isoformat()}"
        if name not in signed:
            return f"operator {name} has not signed it"
    if len(signed) != len(named) or set(signed) != set(named):
        return "it carries a signature that is none, or is of nobody named"
    return None


def objection(act: DeskAct) -> tuple[Refusal, str] | None:
    """Why an act cannot mean anything: what it needs is missing, or it is about two things at once."""
    missing = _missing(act)
    return None if missing is None else (Refusal.SCHEMA, f"{act.act} {missing}")


def _missing(act: DeskAct) -> str | None:
    if act.target_source is not None and act.act not in _ABOUT_SOURCES:
        return "is not about a source"
    match act.act:
        case "freeze":
            if (act.contest is None) is (act.target_source is None):
                return "needs a contest or a target_source, and not both"
        case "thaw":  # of neither: of publication, which the auditor froze
            if act.contest is not None and act.target_source is not None:
                return "is about a contest or a target_source, not both"
        case "accept_with_flag" | "accept_strictly":
            if act.target_source is None or act.contest is not None:
                return "needs a target_source and nothing else"
        case "release" | "reject":
            if act.target is None:
                return "needs the target that it decides about"
        case "call" | "uncall":
            if act.contest is None or act.selection is None:
                return "needs a contest and a selection"
    return None
