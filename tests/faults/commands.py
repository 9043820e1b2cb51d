"""What an operator runs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faults.scene import Scene


async def run(scene: Scene, service: str, *words: str) -> str:
    """`python -m <service> …`, which must succeed; what it printed."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", service, *words],
        env=scene.stack.service_environment(service),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
