"""How the services of a round reach broker and store: each by proxies of its own, tabulators from own network namespaces."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tallyroom.testing.kafka import KafkaBroker
from tests.chaos.proxy import Proxy, free_port

WORKERS: Final = ("t1", "t2", "t3")
PUBLISHER: Final = "pub"
FAKETIME: Final = "libfaketimeMT.so.1"


class Way(NamedTuple):
    """A listener of the broker for one line alone: to whoever comes this way it names the proxy's address, not its own."""

    name: str
    port: int  # on the loopback interface, where the proxy connects to
    advertised: str  # host:port of the proxy


class BrokerBehindProxies(KafkaBroker):
    """A broker with ways; once started, it keeps them."""

    ways: Sequence[Way] = ()

    def _properties(self, controller: int) -> str:
        own = (f"PLAINTEXT://127.0.0.1:{self.port}", f"CONTROLLER://127.0.0.1:{controller}")
        listeners = (*own, *(f"{way.name}://127.0.0.1:{way.port}" for way in self.ways))
        advertised = (own[0], *(f"{way.name}://{way.advertised}" for way in self.ways))
        protocols = (f"{name}:PLAINTEXT" for name in ("PLAINTEXT", "CONTROLLER", *(way.name for way in self.ways)))
        return super()._properties(controller) + (  # of two lines with one name the later one counts
            f"listeners={','.join(listeners)}\nadvertised.listeners={','.join(advertised)}\n"
            f"listener.security.protocol.map={','.join(protocols)}\n"
        )


class Missing(RuntimeError):
    """A program or right that faults need is not there. In CI that is a failure, on a laptop the faults are left out."""


@dataclass(frozen=True)
class Space:
    """A network namespace, joined to ours by a pair of virtual interfaces."""

    name: str
    link: str  # our end
    ours: str  # address of our end
    theirs: str

    def prefix(self) -> Sequence[str]:
        """What runs a command in there."""
        return ("ip", "netns", "exec", self.name)

    def plugged(self, up: bool) -> None:
        """Pull the plug, or put it back: packets are lost, nobody is told."""
        _run("ip", "link", "set", self.link, "up" if up else "down")


@dataclass(frozen=True)
class Line:
    """A service's way to the broker and to the store."""

    name: str
    kafka: Proxy
    store: Proxy
    way: Way
    space: Space | None

    def environment(self) -> dict[str, str]:
        """Where the service finds its servers."""
        return {
            "TALLYROOM_KAFKA_URL": f"kafka://{self.kafka.host}:{self.kafka.port}",
            "TALLYROOM_REDIS_URL": f"redis://{self.store.host}:{self.store.port}/0",
        }


@contextmanager
def lines() -> Iterator[dict[str, Line]]:
    """A line for each tabulator and for the publisher; namespaces are removed at the end."""
    spaces: list[Space] = []
    try:
        if may_have_spaces():
            for number, name in enumerate(WORKERS):
                spaces.append(_space(number, name))
        yield {
            name: _line(name, number, spaces[number] if number < len(spaces) else None)
            for number, name in enumerate((*WORKERS, PUBLISHER))
        }
    finally:
        for space in spaces:
            subprocess.run(["ip", "netns", "del", space.name], check=False)


def _line(name: str, number: int, space: Space | None) -> Line:
    host = "127.0.0.1" if space is None else space.ours
    kafka, store = Proxy(f"{name} to the broker", host, free_port()), Proxy(f"{name} to the store", host, free_port())
    way = Way(f"W{number}", free_port(), f"{host}:{kafka.port}")
    kafka.target = way.port
    return Line(name, kafka, store, way, space)


def _space(number: int, worker: str) -> Space:
    mark = os.getpid() % 4000  # two runs at once must not meet: 4000 blocks of 16 addresses
    base = mark * 16 + number * 4
    network = f"10.213.{base // 256}"
    space = Space(
        f"chaos{mark}-{worker}", f"vc{mark}{worker}", f"{network}.{base % 256 + 1}", f"{network}.{base % 256 + 2}"
    )
    inner = f"vd{mark}{worker}"
    _run("ip", "netns", "add", space.name)
    _run("ip", "link", "add", space.link, "type", "veth", "peer", "name", inner, "netns", space.name)
    _run("ip", "addr", "add", f"{space.ours}/30", "dev", space.link)
    _run("ip", "link", "set", space.link, "up")
    for command in (
        ("addr", "add", f"{space.theirs}/30", "dev", inner), ("link", "set", inner, "up"), ("link", "set", "lo", "up"),
    ):  # fmt: skip
        _run(*space.prefix(), "ip", *command)
    return space


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def may_have_spaces() -> bool:
    """Whether network namespaces can be made here. Raises Missing in CI if only the program is missing."""
    _demand("ip", "iproute2", shutil.which("ip") is not None)
    return os.geteuid() == 0 and shutil.which("ip") is not None


def faketime() -> Path | None:
    """The library that shows a process another clock. Raises Missing in CI if it is not installed."""
    found = next(Path("/usr/lib").glob(f"*/faketime/{FAKETIME}"), None)
    _demand("libfaketime", "faketime", found is not None)
    return found


def _demand(program: str, package: str, there: bool) -> None:
    if not there and os.environ.get("CI"):
        raise Missing(f"{program} is not installed (Debian: {package}).")


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[bool]:
    """A file system of this size in memory, mounted at ``folder``; whether that was possible (it takes root)."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        yield False
        return
    _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tallyroom-chaos", str(folder))
    try:
        yield True
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
