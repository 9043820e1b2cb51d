"""Child processes that cannot outlive us, and free ports for them to listen on.

Used by the development servers, the local stack and the tests. It is not a supervisor: a child that
dies stays dead until somebody starts it again, and nothing here runs in production.

Why a guard. A child in the terminal's process group would get Ctrl-C at the same moment as we do
and die before we have finished with it; so each child has a session of its own. Then a parent that
is killed hard would orphan it. Linux could send a signal on the parent's death, but that fires when
the *thread* that started the child ends, and needs code between fork and exec. Instead a four-line
shell sits beside the child, reading a pipe that only we hold: when we are gone, however we went,
the pipe closes and the guard stops the child. It works the same on macOS.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_GUARD = """
read -r done && exit 0
kill -s CONT -- -$1; kill -s $2 -- -$1
i=0; while kill -0 -- -$1 && [ $i -lt 100 ]; do sleep 0.1; i=$((i + 1)); done
kill -s KILL -- -$1
"""

# Below the range from which the kernel takes ports for outgoing connections: a port that we give up
# for a moment (a broker that restarts) is then not taken by somebody's client socket.
_PORTS = range(20_000, 32_000)
_turns = itertools.count()


class ChildDied(RuntimeError):
    """A child process ended before it was ready; the message carries the end of its log."""


class Child:
    """One child process with its log file and its guard.

    `command` and `env` are given to it as they are (`env=None` inherits ours); output goes to
    `log`, appended. `user` is a user id to run as (we must be root); `stop_signal` asks it to end
    in good order.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: tuple[int, int] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name, self.command, self.log = name, list(command), log
        self._env, self._cwd, self._user, self._stop_signal = env, cwd, user, stop_signal
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def start(self) -> None:
        """Start it and its guard.

        Raises OSError when the program cannot be run, RuntimeError when it runs already.
        """
        if self.alive:
            raise RuntimeError(f"{self.name} runs already")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        uid, gid = self._user or (None, None)
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self._cwd,
                user=uid,
                group=gid,
                extra_groups=None if gid is None else [],
                start_new_session=True,
            )
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "guard", str(self._process.pid), self._stop_signal.name[3:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def stop(self, timeout: float = 25.0) -> int | None:
        """Ask it to end, wait up to `timeout` seconds, then kill it. Returns its exit code;
        harmless when it has ended.
        """
        if self._process is None:
            return None
        if self.alive:
            self.resume()
            self._signal(self._stop_signal)
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
        return self._reap()

    def kill(self) -> int | None:
        """SIGKILL to its whole process group: the sudden death of a machine. Returns the exit code
        (-9).
        """
        if self._process is None:
            return None
        if self.alive:
            self._signal(signal.SIGKILL)
        return self._reap()

    def pause(self) -> None:
        """SIGSTOP: it is there and does nothing, like a long pause of a frozen host."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> None:
        """Poll `ready` until it is true.

        Raises ChildDied when the child ends first or `timeout` seconds pass.
        """
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.alive:
                raise ChildDied(f"{self.name} ended with {self.returncode}.\n{self.tail()}")
            if time.monotonic() > deadline:
                raise ChildDied(f"{self.name} was not ready within {timeout:g} s.\n{self.tail()}")
            time.sleep(0.02)

    def output(self) -> str:
        """What it has printed since its latest start."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def tail(self, lines: int = 30) -> str:
        """The last lines of its output since its latest start, for a person to read."""
        return "\n".join(self.output().splitlines()[-lines:])

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _reap(self) -> int:
        assert self._process is not None
        code = self._process.wait()
        if self._guard is not None:
            self._guard.communicate(b"done\n")
            self._guard = None
        return code


def free_port(preferred: int | None = None) -> int:
    """A TCP port on the loopback address that nobody listens on now; `preferred` when that is free.

    Each process starts looking at a place of its own, so that two that look at once do not find the
    same. Raises RuntimeError when none is free.
    """
    if preferred is not None and _is_free(preferred):
        return preferred
    first = os.getpid() * 101 + 7 * next(_turns)
    for step in range(len(_PORTS)):
        port = _PORTS[(first + step) % len(_PORTS)]
        if _is_free(port):
            return port
    raise RuntimeError("no free port")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
