"""How long a service takes to be ready, and what its process weighs, idle and after the bench."""

from collections.abc import Iterable
from contextlib import AsyncExitStack

from bench.figures import Figure, at_most
from bench.scene import SERVICES, Process, Scene


async def start(scene: Scene) -> list[Figure]:
    """Each service alone, API and worker in one process, twice: the first start may compile."""
    await scene.kafka()
    figures: list[Figure] = []
    async with AsyncExitStack() as stack:
        for name in SERVICES:
            url = await stack.enter_async_context(scene.database(f"start_{name}", name))
            await _started(scene, name, url)
            process = await _started(scene, name, url)
            figures += [
                at_most(f"{name}: start → ready", process.ready_seconds, 2.5, "s", places=1),
                at_most(f"{name}: memory when ready", process.at_start_mb, 160, "MB"),
            ]
    return figures


async def _started(scene: Scene, name: str, url: str) -> Process:
    async with scene.service(name, "run", url) as process:
        return process


def afterwards(processes: Iterable[Process]) -> list[Figure]:
    """The most that a process of each service weighed when its lines were measured."""
    most: dict[str, float] = {}
    for process in processes:
        most[process.name] = max(most.get(process.name, 0.0), process.at_end_mb)
    return [
        at_most(f"{name}: memory after the bench, at most", most[name], 160, "MB")
        for name in SERVICES
        if name in most
    ]
