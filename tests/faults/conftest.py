"""One Frontline for all tests of faults: three processes that a test may kill and freeze."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from rich.console import Console

from common.dev.stack import Stack
from faults.scene import ENVIRONMENT, Scene, scene_on


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def frontline(run_folder: Path) -> AsyncIterator[Scene]:
    """The three services with servers of their own, a grant and an eligible partner."""
    folder = run_folder / "frontline"
    stack = Stack(folder, environment=ENVIRONMENT, console=Console(quiet=True))
    async with stack, scene_on(stack) as scene:
        yield scene


@pytest_asyncio.fixture(loop_scope="session")
async def scene(frontline: Scene) -> Scene:
    """The same for every test, with everything up again that the one before it left down."""
    await frontline.mend()
    return frontline
