"""What runs beside the API of a service: seal, publish, follow, react. `work` runs it alone.

Any number of workers may run. The journal's head lock lets one seal, the reader's lease lets one
publish, Kafka deals the partitions out, and due reactions are taken row by row.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol

import structlog

from common.chores import Chores
from common.journal.seal import Sealer
from common.kafka.publisher import Publisher
from common.mirrors.follow import Follower
from common.mirrors.react import Reactor
from common.mirrors.resync import Resync
from common.runtime import Runtime
from common.stopping import GrowingPause

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0


class Part(Protocol):
    """Something that runs until told to stop and minds its own passing trouble."""

    async def run(self, stop: asyncio.Event) -> None: ...


def parts_of(runtime: Runtime) -> dict[str, Part]:
    """The long-running parts of a service, by name."""
    parts: dict[str, Part] = {
        "wake": runtime.wake,
        "chores": Chores.of(runtime),
        "seal": Sealer.of(runtime),
        "publish": Publisher.of(runtime),
    }
    if runtime.service.mirrors:
        parts["follow"] = Follower.of(runtime)
    if runtime.service.reactions:
        parts["react"] = Reactor.of(runtime)
        parts["resync"] = Resync.of(runtime)
    return parts


async def run_parts(
    parts: dict[str, Part],
    stop: asyncio.Event,
    new_pause: Callable[[], GrowingPause] = partial(
        GrowingPause, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS
    ),
) -> None:
    """Run every part until `stop`; one that fails unexpectedly is started again, ever more slowly
    while it goes on failing.
    """
    async with asyncio.TaskGroup() as group:
        for name, part in parts.items():
            group.create_task(_keep_running(name, part, stop, new_pause()), name=name)


async def _keep_running(name: str, part: Part, stop: asyncio.Event, pause: GrowingPause) -> None:
    while not stop.is_set():
        try:
            await part.run(stop)
        except Exception:
            log.exception("part_failed", part=name, again_in_seconds=pause.seconds)
        await pause.wait(stop)
