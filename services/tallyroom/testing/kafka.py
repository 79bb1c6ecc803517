"""A real Kafka broker without containers: Apache Kafka's published jars, fetched through Maven, run by Java.

For tests, `make kafka` and everyone who tests against us. One node, KRaft, loopback only.
"""

import argparse
import base64
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final, Self

from tallyroom.domain.errors import TallyroomError

KAFKA_VERSION: Final = "4.1.0"
_LOG4J_VERSION: Final = "2.25.1"  # the one that this Kafka brings along
FETCH_TIMEOUT_S: Final = 600.0
FORMAT_TIMEOUT_S: Final = 60.0
START_TIMEOUT_S: Final = 90.0
STOP_TIMEOUT_S: Final = 30.0
_HOST: Final = "127.0.0.1"

_POM: Final = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tallyroom</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
      <version>{kafka}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId>
      <version>{log4j}</version></dependency>
  </dependencies>
</project>
"""
_LOG4J: Final = """rootLogger.level = INFO
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %c{1} %m%n
"""
SINGLE_NODE: Final = """log.dirs={logs}
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
num.network.threads=2
num.io.threads=4
"""
"""What a broker needs that is alone, whoever may connect to it."""
_PROPERTIES: Final = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
"""


class BrokerUnavailable(TallyroomError):
    """No broker can be run here: something is missing, or it did not start."""


def jars(version: str = KAFKA_VERSION) -> Path:
    """The folder with the broker's jars, fetched through Maven at the first call (some 45 MB).

    It lies in the user's cache, keyed by version, and is whole or absent: fetched beside, renamed, then marked.
    Safe for several callers at once. Raises BrokerUnavailable.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tallyroom" / "kafka" / version
    libs = cache / "libs"
    if (libs / ".complete").exists():
        return libs
    cache.mkdir(parents=True, exist_ok=True)
    with _exclusive(cache / ".lock"):
        if not (libs / ".complete").exists():
            _fetch(version, libs)
    return libs


class KafkaBroker:
    """One broker process. ``with KafkaBroker() as broker: ... broker.bootstrap``

    ``folder`` keeps the data and the log file ``broker.log``; without it a temporary one is used and removed by
    ``stop``. ``port`` 0 takes a free one, which the broker keeps over restarts.
    """

    def __init__(self, folder: Path | None = None, port: int = 0, version: str = KAFKA_VERSION) -> None:
        self._temporary = folder is None
        self._folder = folder
        self._wanted_port = port
        self._version = version
        self._process: subprocess.Popen[bytes] | None = None
        self._configured = False
        self.port = port

    @property
    def bootstrap(self) -> str:
        """``host:port`` of the running broker."""
        return f"{_HOST}:{self.port}"

    @property
    def url(self) -> str:
        """The value for TALLYROOM_KAFKA_URL."""
        return f"kafka://{self.bootstrap}"

    @property
    def pid(self) -> int | None:
        """Process id while it runs; chaos tests stop and continue it by signal."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    @property
    def folder(self) -> Path:
        """Where data, configuration and ``broker.log`` are."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="tallyroom-kafka-"))
        return self._folder

    def start(self) -> Self:
        """Run it and wait until it answers a metadata request. Raises BrokerUnavailable."""
        java = _program("java", "install a Java runtime, 17 or newer (Debian: openjdk-17-jre-headless)")
        libs = jars(self._version)
        self._configure()
        command = [java, "-Xms128m", "-Xmx768m", f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"]
        command += ["-cp", f"{libs}/*", "kafka.Kafka", str(self.folder / "server.properties")]
        if not (self.folder / "data" / "meta.properties").exists():
            self._format(java, libs)
        with (self.folder / "broker.log").open("ab") as log:
            # A session of its own: Ctrl-C in a terminal must reach the broker through stop(), once and in order.
            self._process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        with ExitStack() as undo:
            undo.callback(self.kill)
            self._await_answer(self._process)
            undo.pop_all()
        return self

    def stop(self) -> None:
        """End it in order; by force if it takes too long. A temporary folder is removed."""
        self._halt(signal.SIGTERM)
        if self._temporary and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def kill(self) -> None:
        """End it as a power cut would; the data stay for ``restart``."""
        self._halt(signal.SIGKILL)

    def restart(self) -> Self:
        """End it in order if it runs, and run it again on the same data and port."""
        self._halt(signal.SIGTERM)
        return self.start()

    def wait(self, seconds: float) -> int | None:
        """The exit code if the broker ends within ``seconds``."""
        if self._process is None:
            return None
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _configure(self) -> None:
        """Write the configuration once: a restart finds the same ports in it."""
        properties = self.folder / "server.properties"
        if self._configured:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, controller = _free_ports(self._wanted_port)
        properties.write_text(self._properties(controller), encoding="utf-8")
        properties.chmod(0o600)  # a secured one holds passwords
        (self.folder / "log4j2.properties").write_text(_LOG4J, encoding="utf-8")
        self._configured = True

    def _properties(self, controller: int) -> str:
        """The configuration; ``controller``: port of the controller's listener."""
        return (_PROPERTIES + SINGLE_NODE).format(port=self.port, controller=controller, logs=self.folder / "data")

    def _format_options(self) -> list[str]:
        """What else the storage tool is given."""
        return []

    def _answers(self) -> bool:
        """Whether the broker is ready."""
        return answers(self.port)

    def _format(self, java: str, libs: Path) -> None:
        cluster = "T" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]  # a "-" in front would be an option
        command = [java, "-Xmx256m", "-cp", f"{libs}/*", "kafka.tools.StorageTool", "format", "-t", cluster]
        command += ["-c", str(self.folder / "server.properties"), *self._format_options()]
        failure = _run(command, FORMAT_TIMEOUT_S)
        if failure is not None:
            raise BrokerUnavailable(
                f"Kafka's storage in {self.folder} could not be formatted: {failure}",
                "check that the folder is writable and that Java is 17 or newer",
            )

    def _await_answer(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            code = process.poll()
            if code is not None or time.monotonic() > deadline:
                state = f"ended with {code}" if code is not None else f"did not answer in {START_TIMEOUT_S:.0f} s"
                tail = (self.folder / "broker.log").read_text(encoding="utf-8", errors="replace")[-1500:]
                raise BrokerUnavailable(
                    f"The Kafka broker on port {self.port} {state}. End of its log:\n{tail}\n",
                    "see the reason above: most often the port is taken or memory is short",
                )
            time.sleep(0.1)

    def _halt(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
            process.send_signal(signal.SIGCONT)  # a stopped process would not hear SIGTERM
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)


def answers(port: int, timeout: float = 2.0) -> bool:
    """Whether a broker on this loopback port answers a metadata request and knows itself as a member of the cluster."""
    # Kafka protocol: api key 3 (Metadata), version 4, correlation id, null client id; no topics, none to be created.
    request = struct.pack(">hhihi?", 3, 4, 1, -1, 0, False)
    try:
        with socket.create_connection((_HOST, port), timeout) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            head = connection.recv(16, socket.MSG_WAITALL)
    except OSError:
        return False
    # Answer: size, correlation id, throttle time, number of brokers.
    return len(head) == 16 and struct.unpack(">iiii", head)[3] >= 1


def _fetch(version: str, libs: Path) -> None:
    maven = _program("mvn", "install Apache Maven (Debian: maven); it fetches the broker's jars once")
    with tempfile.TemporaryDirectory(dir=libs.parent, prefix="fetch-") as name:
        pom, fetched = Path(name) / "pom.xml", Path(name) / "libs"
        pom.write_text(_POM.format(kafka=version, log4j=_LOG4J_VERSION), encoding="utf-8")
        command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
        command += [f"-DoutputDirectory={fetched}", "-DincludeScope=runtime"]
        failure = _run(command, FETCH_TIMEOUT_S)
        if failure is None and not any(fetched.glob("kafka_*.jar")):
            failure = "it brought no jars"
        if failure is not None:
            raise BrokerUnavailable(
                f"Maven could not fetch Kafka {version}: {failure}",
                "check the network and Maven's settings, then try again",
            )
        shutil.rmtree(libs, ignore_errors=True)  # without its mark it is the rest of a fetch that was cut off
        fetched.rename(libs)
        (libs / ".complete").touch()


def _run(command: list[str], seconds: float) -> str | None:
    """Run a command to its end; None, or what it said when it failed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return f"no end after {seconds:.0f} s."
    return None if done.returncode == 0 else (done.stdout + done.stderr)[-800:].strip()


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _program(name: str, action: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise BrokerUnavailable(f"The program {name!r} is needed to run a Kafka broker and is not on PATH.", action)
    return found


def _free_ports(wanted: int) -> tuple[int, int]:
    """Two loopback ports: the wanted one (0: any free one) and a free one. Raises BrokerUnavailable if it is taken."""
    with socket.socket() as first, socket.socket() as second:
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            first.bind((_HOST, wanted))
        except OSError as error:
            raise BrokerUnavailable(
                f"Port {wanted} cannot be used: {error}.", "choose another one with --port"
            ) from error
        second.bind((_HOST, 0))
        return first.getsockname()[1], second.getsockname()[1]


def main(argv: list[str] | None = None) -> int:
    """Run a broker in the foreground until SIGINT or SIGTERM; print its address once it answers."""
    parser = argparse.ArgumentParser(prog="python -m tallyroom.testing.kafka", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on the loopback interface (default: a free one)")
    parser.add_argument("--data", type=Path, default=None, help="folder to keep (default: a temporary one)")
    options = parser.parse_args(argv)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    try:
        with KafkaBroker(options.data, options.port) as broker:
            print(broker.url, flush=True)
            while broker.wait(3600) is None and broker.pid is not None:
                pass
            print(f"The broker ended by itself; see {broker.folder / 'broker.log'}.", file=sys.stderr)
            return 1
    except BrokerUnavailable as error:
        print(error, file=sys.stderr)
        return 1


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
