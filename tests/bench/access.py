"""What access rules cost a snapshot request: CPU time of a gateway with and without them, in turn within one run (needs wrk).

.venv/bin/python -m tests.bench.access
"""

import asyncio
import re
import subprocess
import time
from statistics import median
from typing import Any, cast

from tallyroom.gateway.access import Client, Doorkeeper
from tallyroom.settings import Access
from tests.support.gateways import Running, gateway, shows

PAIRS = 6
SECONDS = 3


def requests(url: str) -> int:
    """Ask for this as fast as 16 connections can; how many were answered."""
    done = subprocess.run(["wrk", "-t1", "-c16", f"-d{SECONDS}s", url], capture_output=True, text=True, check=True)
    assert "Non-2xx" not in done.stdout, done.stdout
    found = re.search(r"(\d+) requests in", done.stdout)
    assert found is not None, done.stdout
    return int(found[1])


async def cost(running: Running, admit: Any) -> float:
    """Microseconds of this process's CPU time a request."""
    cast(Any, Doorkeeper).admit = admit
    before = time.process_time()
    answered = await asyncio.to_thread(requests, f"{running.url}{running.path}/snapshot")
    return (time.process_time() - before) / answered * 1e6


async def main() -> None:
    """Print both, and the median of the ratios of the pairs."""
    real, nobody = Doorkeeper.admit, Client("anybody", None)
    kinds = {"with": real, "without": lambda *_: nobody}
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    async with gateway(access=Access(rate=1e9)) as running:
        await running.press.publish()
        await running.press.say()
        await shows(running, 1)
        for pair in range(PAIRS):
            for kind in sorted(kinds, reverse=bool(pair % 2)):  # neither always has the quieter machine
                found[kind].append(await cost(running, kinds[kind]))
    for kind, costs in found.items():
        print(f"{kind:8} {median(costs):6.1f} us of CPU a request {[round(one) for one in costs]}")
    ratios = [without / rules for without, rules in zip(found["without"], found["with"], strict=True)]
    print(f"requests per CPU-second with over without, median of pairs: {median(ratios):.3f}")


if __name__ == "__main__":
    asyncio.run(main())
