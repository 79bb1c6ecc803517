"""``make chaos``: rounds of faults on real servers and processes, from a seed; exit 1 on any difference.

make chaos SEED=7 ROUNDS=3                   three rounds, of seeds 7, 8 and 9; SEED=9 alone plays the last again
make chaos ARGS="--each"                     every fault once, alone
make chaos ARGS=--big                        100,000 reports, everybody killed and frozen three times
make chaos ARGS=--figures                    the times of docs/reliability.md
make chaos ARGS="--only kill freeze"          a round for each of these
"""

import argparse
import asyncio
import json
import logging
import random
import signal
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.chaos.epilogues import EPILOGUES
from tests.chaos.faults import FAULTS
from tests.chaos.figures import measured
from tests.chaos.rounds import Outcome, as_json, big, drawn, run
from tests.chaos.scene import servers

OUT = Path("build/chaos.json")
BIG = 100_000


async def play(options: argparse.Namespace) -> list[Outcome]:
    """The rounds, one after the other, on one broker."""
    if options.figures:
        return await _figures(options.seed, options.quick)
    alone = [*FAULTS, *EPILOGUES] if options.each else options.only
    kinds: list[str | None] = alone or [None] * options.rounds
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="tallyroom-chaos-") as name:
        async with servers(Path(name) / "run") as shared:
            for number, only in enumerate(kinds):
                seed = options.seed + number
                plan = big(seed, BIG) if options.big else drawn(seed, options.reports, shared, only)
                outcome = await run(plan, shared)
                outcomes.append(outcome)
                print(f"{number + 1}/{len(kinds)} {outcome.line()}", flush=True)
                for difference in (outcome.lost + outcome.doubled)[:10]:
                    print(f"    {difference}", flush=True)
                _write(outcomes)
    return outcomes


async def _interruptible(options: argparse.Namespace) -> list[Outcome]:
    """`play`; a signal cancels the round, which takes down its namespaces and mounts and ends what it started."""
    playing = asyncio.create_task(play(options))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, playing.cancel)
    return await playing


async def _figures(seed: int, quick: bool) -> list[Outcome]:
    with tempfile.TemporaryDirectory(prefix="tallyroom-chaos-") as name:
        async with servers(Path(name) / "run", direct=True) as shared:
            figures = await measured(shared, seed, quick=quick)
    print("\n".join(figures.lines()))
    OUT.parent.mkdir(exist_ok=True)
    OUT.with_name("chaos-figures.json").write_text(json.dumps(asdict(figures), indent=1) + "\n")
    return [Outcome(seed, "redis", [], None, lost=figures.differences)]


def _write(outcomes: list[Outcome]) -> None:
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"rounds": [as_json(outcome) for outcome in outcomes]}, indent=1) + "\n")


def main() -> int:
    """Play what the command line asks for; 1 if anything was lost or doubled."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="of the first round; default: one of chance, printed")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--reports", type=int, default=20_000, help="least number of reports of a round")
    parser.add_argument("--only", nargs="+", choices=[*FAULTS, *EPILOGUES], help="a round for each of these, alone")
    parser.add_argument("--each", action="store_true", help="a round for every fault alone")
    parser.add_argument(
        "--big", action="store_true", help=f"{BIG:,} reports, every tabulator killed and frozen three times"
    )
    parser.add_argument("--figures", action="store_true", help="measure the times of docs/reliability.md")
    parser.add_argument("--quick", action="store_true", help="with --figures: not the rebuild of 100,000 units")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(10**6)
    print(f"SEED={options.seed}", flush=True)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # that a killed broker does not answer is no news here
    try:
        outcomes = asyncio.run(_interruptible(options))
    except asyncio.CancelledError:
        print("interrupted; what was played is in build/chaos.json")
        return 130
    bad = [outcome.seed for outcome in outcomes if not outcome.clean]
    print(
        f"{len(outcomes)} rounds, {sum(o.records for o in outcomes):,} reports: {len(bad)} with differences {bad or ''}"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
