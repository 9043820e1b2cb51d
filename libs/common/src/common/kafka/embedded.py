"""A real Apache Kafka broker from Python packages, for development and tests.

One KRaft node that is broker and controller at once: the same program that runs in production,
without Docker, Java or Maven on the machine (see `common.kafka.program`). It is not for production:
one node, no replication, no access control.
"""

from __future__ import annotations

import base64
import fcntl
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from common.kafka import program
from common.process import Child, ChildDied, free_port

_STARTED = "Kafka Server started"

# A single node keeps one replica of everything; few partitions of the two internal topics make the
# first use quick.
_SETTINGS: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    "log.cleaner.dedupe.buffer.size": "16777216",
    "message.max.bytes": "1048588",
}


class EmbeddedKafka:
    """A Kafka broker whose whole state is below `folder` (made when missing).

    It listens on one loopback port for its whole life, also over `restart()` and `wipe()`.
    `settings` go over the defaults. Use it as a context manager, or `start()` and `stop()`. The
    calls that start and stop block for up to some seconds (the very first one, which fetches the
    jars, for up to a minute): in async code, send them to a thread.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        java_options: Sequence[str] = (),
        say: Callable[[str], object] | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self._fixed_port = port
        self._settings = dict(settings or {})
        self._java_options = tuple(java_options)
        self._say = say or (lambda line: sys.stderr.write(f"{line}\n"))
        self._port = 0
        self._lock: IO[str] | None = None
        self._child: Child | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def bootstrap_servers(self) -> str:
        """`host:port`, for `bootstrap_servers` of any client. Known once it was started."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        return self._started_child().pid

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.alive

    # --- life -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the broker and wait until it answers (about 2 s, a second more on new data).

        Raises RuntimeError when another process uses the folder; ChildDied, with the log's end,
        when it does not come up.
        """
        self._take_lock()
        classpath = program.fetch(self._say)
        for attempt in (1, 2, 3):
            fresh = self._port == 0
            if fresh:
                self._port = self._fixed_port or free_port()
            try:
                self._start(classpath)
            except ChildDied as error:
                # between the look for a free port and the bind, somebody else may have taken it
                taken = "Address already in use" in str(error) or "BindException" in str(error)
                if attempt < 3 and taken and fresh and not self._fixed_port:
                    self._port = 0
                    continue
                self._release()
                raise
            return

    def stop(self) -> None:
        """Shut down in good order (about half a second); harmless when it is down."""
        if self._child is not None:
            self._child.stop()
        self._release()

    def kill(self) -> None:
        """SIGKILL, with no good-byes; `start()` brings it back on the same port and data."""
        if self._child is not None:
            self._child.kill()
        self._release()

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers, until `resume()`."""
        self._started_child().pause()

    def resume(self) -> None:
        self._started_child().resume()

    def restart(self) -> None:
        """Stop and start on the same port and data."""
        self.stop()
        self.start()

    def wipe(self) -> None:
        """Lose everything: stop, delete all data, start as a new cluster (new cluster id) on the
        same port.
        """
        self.stop()
        shutil.rmtree(self._data, ignore_errors=True)
        self.start()

    def delete(self) -> None:
        """Stop, and remove everything that this broker kept on disk."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- the steps of a start -------------------------------------------------------------------

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _started_child(self) -> Child:
        if self._child is None:
            raise RuntimeError("Kafka was not started")
        return self._child

    def _take_lock(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = (self.folder / "kafka.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise RuntimeError(
                f"{self.folder} is in use: another run of this checkout is up"
            ) from None
        self._lock = lock

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _start(self, classpath: str) -> None:
        java = program.java(classpath)
        properties = self.folder / "server.properties"
        properties.write_text(self._properties())
        if not (self._data / "meta.properties").exists():
            self._format(java, properties)
        self._child = child = Child(
            "Kafka",
            [*program.java(classpath, *self._java_options), "kafka.Kafka", str(properties)],
            log=self.folder / "kafka.log",
            cwd=self.folder,
        )
        child.start()
        try:
            child.wait_until(self._ready, timeout=90)
        except ChildDied:
            child.kill()
            raise

    def _properties(self) -> str:
        controller = free_port()
        settings = {
            **_SETTINGS,
            "listeners": f"PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self._port}",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
            "log.dirs": str(self._data),
            **self._settings,
        }
        return "".join(f"{key}={value}\n" for key, value in settings.items())

    def _format(self, java: list[str], properties: Path) -> None:
        shutil.rmtree(self._data, ignore_errors=True)  # a first start that was interrupted
        cluster_id = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        if cluster_id.startswith("-"):  # would read as an option
            cluster_id = "A" + cluster_id[1:]
        formatted = subprocess.run(
            [
                *java,
                *("kafka.tools.StorageTool", "format", "--standalone"),
                *("-t", cluster_id, "-c", str(properties)),
            ],
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
            timeout=90,
        )
        if formatted.returncode:
            raise ChildDied(f"Kafka's format failed.\n{formatted.stdout}{formatted.stderr}")

    def _ready(self) -> bool:
        if _STARTED not in self._started_child().output():
            return False
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self._port)) == 0


def prepare(say: Callable[[str], object]) -> None:
    """Fetch the broker's program and make its starts quick, where that has not been done yet.

    Takes up to a minute once on a machine, and no time afterwards.
    """
    classpath = program.fetch(say)
    if program.class_archive().exists():
        return
    say("Preparing Apache Kafka for quick starts (once on this machine) …")
    with tempfile.TemporaryDirectory(prefix="frontline-kafka-") as folder:
        class_list = Path(folder) / "classes"
        with EmbeddedKafka(Path(folder), java_options=[f"-XX:DumpLoadedClassList={class_list}"]):
            pass
        try:
            program.write_class_archive(classpath, class_list)
        except subprocess.CalledProcessError as error:
            say(f"Kafka will start slowly here: {error.stderr.decode(errors='replace')[-300:]}")
