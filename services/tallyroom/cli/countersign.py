"""desk countersign: the next of several operators reads a decision, signs it and sends it."""

from pathlib import Path
from typing import Annotated

import typer

from tallyroom.cli.common import console, print_json
from tallyroom.cli.desk_room import Election, KeyFile, at_the_desk, people
from tallyroom.desk import countersign as file
from tallyroom.desk.acts import ByHand, DeskError, Draft, Hand
from tallyroom.desk.book import Book


def countersign(
    election: Election,
    act: Annotated[Path, typer.Argument(metavar="FILE", help="What the first operator's command has made.")],
    operator: Annotated[str, typer.Option("--operator", metavar="ID=KEYFILE", help="Who signs, and with which key.")],
    key: KeyFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: it was read elsewhere.")] = False,
) -> None:
    """Read a decision that others have signed, sign it too, and send it once nobody's signature is missing."""
    who = people([operator], "", key)
    if not who.hands:
        raise DeskError("No key is named.", "name your id and your key: --operator ID=KEYFILE")
    acts = file.load(act)

    async def work(book: Book, hand: Hand) -> bool:
        made: list[tuple[ByHand, Draft]] = []
        for event, draft in acts:
            made.append((event, file.add(book, event, draft, who.hands[0])))
            print_json(event)
            console.print(f"signed by {', '.join(file.signers(book, draft))}")
        if not yes:
            typer.confirm("Sign this?", abort=True, err=True)
        for event, draft in made:
            await file.send(hand, event, draft, who.key)
        if hand.drafts:
            file.save(act, hand.drafts, new=False)
            hand.drafts = []
            return False
        return True

    sent = at_the_desk(election, work)
    typer.echo("sent, and in force" if sent else f"signed; others have yet to sign {act}")
