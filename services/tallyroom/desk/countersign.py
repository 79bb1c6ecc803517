"""A decision on its way from one operator to the next: the file that carries it, and the last signature that sends it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec

from tallyroom.codec.events import Amendment, Declaration, Desk, Report, Undecodable, decode_event, encode_event
from tallyroom.codec.operators import OPERATOR_HEADER, endorse, signed_by
from tallyroom.codec.signatures import Key
from tallyroom.desk.acts import ByHand, DeskError, Draft, Hand, require_hand
from tallyroom.desk.book import Book
from tallyroom.tabulation.amend import AmendmentError, amend

FORMAT: Final = "tallyroom.act/v1"
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class _Act(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``value``: the event's exact bytes as text; ``signatures``: the headers of those who have signed them."""

    value: str
    signatures: tuple[str, ...]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    acts: Annotated[tuple[_Act, ...], msgspec.Meta(min_length=1)]


def save(path: Path, drafts: Sequence[Draft], *, new: bool = True) -> None:
    """Write decisions to a file; with ``new`` to one that was not there. Raises DeskError."""
    acts = [_Act(draft.value.decode(), tuple(text.decode() for _, text in draft.proofs)) for draft in drafts]
    data = msgspec.json.format(msgspec.json.encode(_File(FORMAT, tuple(acts)))) + b"\n"
    try:
        if new:
            with os.fdopen(os.open(path, _NEW, 0o644), "wb") as file:
                file.write(data)
        else:
            path.write_bytes(data)
    except OSError as error:
        raise DeskError(
            f"{path} cannot be written: {error.strerror}.", "go to a folder of yours; remove old files"
        ) from error


def load(path: Path) -> list[tuple[ByHand, Draft]]:
    """The decisions in a file, with what they are as events. Raises DeskError."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File)
        if found.format != FORMAT:
            raise DeskError(f"{path} has format {found.format!r}.", f"name a file of {FORMAT}")
        acts = []
        for act in found.acts:
            value = act.value.encode()
            event = decode_event(value)
            if not isinstance(event, Report | Desk | Declaration | Amendment) or not event.operators:
                raise DeskError(f"{path} holds an event that nobody at a desk decides.", "have it made anew")
            if encode_event(event) != value:  # two members of one name would show one thing and be another
                raise DeskError(f"{path} was not written by a command of the desk.", "have it made anew")
            acts.append((event, Draft(value, tuple((OPERATOR_HEADER, text.encode()) for text in act.signatures))))
    except OSError as error:
        raise DeskError(
            f"{path} cannot be read: {error.strerror}.", "name the file that the first operator made"
        ) from error
    except (msgspec.DecodeError, Undecodable, UnicodeError, RecursionError) as error:
        raise DeskError(f"{path} holds no decision: {error}.", "have it made anew by the desk's command") from error
    return acts


def signers(book: Book, draft: Draft) -> list[str]:
    """Who has signed the decision. Raises DeskError if a signature in the file is none."""
    found = signed_by(book.plan.operators, draft.value, draft.proofs)
    if "" in found:
        raise DeskError("A signature in the file is not that of an operator over these bytes.", "have it made anew")
    return found


def add(book: Book, event: ByHand, draft: Draft, key: Key) -> Draft:
    """The decision with one signature more. Raises DeskError if it is not this person's to sign, or can no longer be in force."""
    place, here = (event.election, event.environment), (book.plan.election, book.plan.environment)
    if place != here:
        raise DeskError(
            f"{event.id} is of {' '.join(place)}, not of {' '.join(here)}.", "name the election that it is of"
        )
    require_hand(book.plan, key)
    if key.id not in event.operators:
        raise DeskError(
            f"{event.id} names {', '.join(event.operators)}, not {key.id}.",
            "have it made anew with everybody who decides",
        )
    if key.id in signers(book, draft):
        raise DeskError(f"{key.id} has signed {event.id} already.", "another operator has to sign it")
    _require_current(book, event)
    return Draft(draft.value, (*draft.proofs, endorse(key, draft.value)))


def _require_current(book: Book, event: ByHand) -> None:
    """Raises DeskError if something was decided since that the decision would come too late for."""
    anew = "have it made anew: it was made before what stands in the log now"
    if isinstance(event, Amendment):
        try:
            amend(book.plan.definition, event.to_domain())
        except AmendmentError as error:
            raise DeskError(f"The change cannot be made any more: {error}.", anew) from error
        if event.previous != book.plan.chain:
            raise DeskError("The definition was amended since.", anew)
    elif isinstance(event, Desk | Declaration):
        later = [act for act in book.acts.values() if act.reported_at >= event.reported_at and act.id != event.id]
        if later:
            raise DeskError(f"{later[-1].id} was decided since.", anew)
    elif (leaf := book.leaf(event)) is not None:
        state, at = book.unit(leaf)
        same = event.version + (event.released is not None)  # a release may say which of two of one version is right
        if state is not None and state[0] >= same:
            raise DeskError(f"{leaf.name} has version {state[0]} since, at {at}.", anew)


async def send(hand: Hand, event: ByHand, draft: Draft, key: Key | None) -> None:
    """Send the decision if everybody whom it names has signed it; else keep it in the hand's drafts. Raises DeskError."""
    if len(draft.proofs) < len(event.operators):
        hand.drafts.append(draft)
    else:
        await hand.send(event, draft, key)
