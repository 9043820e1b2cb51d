"""How whatever runs until it is told to stop waits in between."""

import asyncio


async def stopped(stop: asyncio.Event, seconds: float) -> bool:
    """Wait until `stop` is set, at most `seconds` (none if negative). Whether it is set."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await stop.wait()
    except TimeoutError:
        pass
    return stop.is_set()
