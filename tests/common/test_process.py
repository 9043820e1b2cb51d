"""Children that cannot outlive their parent."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from common.process import Child, ChildDied, free_port

SLEEP = ["/bin/sleep", "60"]
# It hears every signal, also where we were started in the background and some are ignored.
PARENT = """
import signal, sys, time
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_DFL)
from pathlib import Path
from common.process import Child
child = Child("sleeper", ["/bin/sleep", "60"], log=Path(sys.argv[1]))
child.start()
print(child.pid, flush=True)
time.sleep(60)
"""


def _gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _wait_until_gone(pid: int) -> bool:
    for _ in range(200):
        if _gone(pid):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_child_ends_with_its_parent_however_that_ends(
    tmp_path: Path, end: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.killpg(parent.pid, end)
        parent.wait(20)
    assert _wait_until_gone(pid)


def test_a_stopped_child_leaves_no_guard_behind(tmp_path: Path) -> None:
    before = {child.pid for child in psutil.Process().children()}
    child = Child("sleeper", SLEEP, log=tmp_path / "log")
    child.start()
    assert child.alive
    assert child.stop() == -signal.SIGTERM
    assert not child.alive
    assert {child.pid for child in psutil.Process().children()} <= before


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", "trap '' TERM; echo listening; while :; do sleep 1; done"]
    child = Child("deaf", command, log=tmp_path / "log")
    child.start()
    child.wait_until(lambda: bool(child.output()), timeout=20)
    assert child.stop(timeout=0.1) == -signal.SIGKILL


def test_a_paused_child_can_be_stopped(tmp_path: Path) -> None:
    child = Child("sleeper", SLEEP, log=tmp_path / "log")
    child.start()
    child.pause()
    assert child.stop() == -signal.SIGTERM


def test_a_child_that_dies_early_says_why(tmp_path: Path) -> None:
    child = Child("brief", ["/bin/sh", "-c", "echo no such thing; exit 3"], log=tmp_path / "log")
    child.start()
    with pytest.raises(ChildDied, match=r"ended with 3\.\nno such thing"):
        child.wait_until(lambda: False, timeout=20)
    child.stop()


def test_a_preferred_port_is_taken_only_when_it_is_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) != port
    assert free_port(port) == port
