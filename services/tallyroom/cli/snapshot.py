"""snapshot: what a gateway serves now."""

from typing import Annotated

import httpx
import typer

from tallyroom.cli.common import print_json, print_table, settings
from tallyroom.domain.errors import TallyroomError

app = typer.Typer()


class NoAnswer(TallyroomError):
    """The gateway does not answer, or answers with a problem."""


@app.command()
def snapshot(
    election: Annotated[str | None, typer.Argument(help="Election id; by default the gateway's only one.")] = None,
    url: Annotated[str | None, typer.Option(help="Address of the gateway.")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Show the current snapshot of a gateway."""
    base = url or f"http://127.0.0.1:{settings().http_port}"
    identifier = election or _get(f"{base}/v1/elections")["elections"][0]["election"]
    found = _get(f"{base}/v1/elections/{identifier}/snapshot")
    if as_json:
        print_json(found)
        return
    rows = []
    for contest in found["contests"]:
        root = contest["areas"][0] if contest["areas"] else {}
        lead = (contest.get("leading") or {}).get("selections", ["-"])
        rows.append(
            (
                contest["contest"],
                contest["status"],
                root.get("units_reported", 0),
                root.get("units_expected", 0),
                ", ".join(lead),
            )
        )
    stale = f", stale since {found['stale_since']}" if "stale_since" in found else ""
    title = (
        f"{found['election']} ({found['environment']}), revision {found['revision']:,}, {found['generated_at']}{stale}"
    )
    print_table(title, ["contest", "status", "reported", "expected", "leading"], rows)


def _get(address: str):  # type: ignore[no-untyped-def]
    try:
        answer = httpx.get(address, timeout=10)
    except httpx.TransportError as error:
        raise NoAnswer(
            f"{address} does not answer: {error}.", "start a gateway, or name its address with --url"
        ) from error
    if answer.status_code != 200:
        raise NoAnswer(
            f"{address} answered {answer.status_code}: {answer.text[:300]}", "see docs/http.md for its problems"
        )
    return answer.json()
