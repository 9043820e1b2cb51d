"""The load generator: a process of its own that sends prepared requests over raw sockets.

It reads a job (JSON) from standard input and writes what it measured to standard output. A general
HTTP client would cost more than the service that it measures. Targets take turns in short rounds,
so that whatever else the machine does hits all of them alike.

    {"connections": 16, "rounds": 5, "seconds": 2, "targets": [{"port": 1, "requests": "file"}]}

A file of requests holds each one as four bytes of length and the request. Each is sent once; a
target with `again` begins anew when they run out. A target whose requests run out ends its round.
"""

import asyncio
import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import uvloop


class Target:
    """One server and what it is asked."""

    def __init__(self, port: int, requests: str, *, again: bool) -> None:
        self.port = port
        prepared = list(_read(Path(requests).read_bytes()))
        self.requests = itertools.cycle(prepared) if again else iter(prepared)
        self.times: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.rates: list[float] = []


class Asking(asyncio.Protocol):
    """One connection that asks, waits for the whole answer, and asks again until `until`."""

    def __init__(self, target: Target, until: float, done: "asyncio.Future[None]") -> None:
        self._target = target
        self._until = until
        self._done = done
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._began = perf_counter()
        request = None if self._began >= self._until else next(self._target.requests, None)
        if request is None:
            self._transport.close()
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer = buffer = self._buffer + data
        head = buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        at = buffer.lower().find(b"content-length:", 0, head)
        length = 0 if at < 0 else int(buffer[at + 15 : buffer.index(b"\r\n", at)])
        if len(buffer) < head + 4 + length:
            return
        self._buffer = b""
        self._target.times.append(perf_counter() - self._began)
        self._target.statuses[int(buffer[9:12])] += 1
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)


def _read(content: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        yield content[at + 4 : at + 4 + length]
        at += 4 + length


async def _round(target: Target, connections: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    before, began = len(target.times), perf_counter()
    asking = [loop.create_future() for _ in range(connections)]
    for done in asking:
        await loop.create_connection(
            partial(Asking, target, began + seconds, done), "127.0.0.1", target.port
        )
    await asyncio.gather(*asking)
    target.rates.append((len(target.times) - before) / (perf_counter() - began))


async def _work(job: dict[str, Any]) -> list[dict[str, Any]]:
    targets = [Target(**each) for each in job["targets"]]
    for target in targets:  # warm
        await _round(target, job["connections"], job["warm_seconds"])
        target.times.clear()
        target.rates.clear()
    for _ in range(job["rounds"]):
        for target in targets:
            await _round(target, job["connections"], job["seconds"])
    return [_result(target) for target in targets]


def _result(target: Target) -> dict[str, Any]:
    ordered = sorted(target.times)
    return {
        "rates": target.rates,
        "statuses": target.statuses,
        "p50_ms": ordered[len(ordered) // 2] * 1000,
        "p99_ms": ordered[len(ordered) * 99 // 100] * 1000,
    }


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        json.dump(runner.run(_work(json.load(sys.stdin))), sys.stdout)
