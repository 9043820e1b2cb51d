"""Where things are: the top level is fixed, and nothing in the lock names an index."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Module

FOLDERS = {"services", "libs", "deploy", "tests", ".ci", ".github"}
VAGUE = re.compile(r"/(utils?|helpers?|managers?|misc|common_utils)(\.py$|/)")


def test_the_top_level_is_fixed(root: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert {path.split("/", 1)[0] for path in listed if "/" in path} <= FOLDERS


def test_no_module_has_a_vague_name(modules: list[Module]) -> None:
    assert [module.path for module in modules if VAGUE.search(module.path)] == []


def test_a_test_folder_never_hides_a_package(root: Path) -> None:
    packages = ("common", "registry", "disbursement", "coordination")
    assert [p for p in packages if (root / "tests" / p / "__init__.py").exists()] == []


def test_the_lock_has_hashes_and_names_no_index(root: Path) -> None:
    lock = (root / "requirements.lock").read_text()
    assert "://" not in lock
    assert not re.search(r"^--", lock, re.MULTILINE)
    for block in re.split(r"\n(?=[a-zA-Z0-9])", lock)[1:]:
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_every_make_target_says_what_it_does(root: Path) -> None:
    makefile = (root / "Makefile").read_text()
    targets = re.findall(r"^\.PHONY: ([a-z-]+)$", makefile, re.MULTILINE)
    explained = re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)
    assert sorted(targets) == sorted(explained)


def test_every_yaml_file_can_be_read(root: Path) -> None:
    for pattern in ("deploy/**/*.y*ml", ".github/**/*.y*ml"):
        for path in root.glob(pattern):
            list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
