"""`journal verify` from the command line, also against a checkpoint kept elsewhere."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner, Result

from common.journal.admin import journal_app
from common.journal.checkpoint import Checkpoint
from common.runtime import Runtime
from common.service import Service
from journal_kit import NOON, SERVICE, add, fetch
from support.api import Api, open_service

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
Run = Callable[..., Awaitable[Result]]


@pytest.fixture
async def run(api: Api, scratch_database: str, tmp_path: Path) -> Run:
    """Run a command on a journal of two rows; `public.key` lies in the working directory."""
    await add(api, "one", "two")
    (tmp_path / "public.key").write_bytes(
        base64.b64encode(KEY.public_key().public_bytes_raw()) + b"\n"
    )

    def with_runtime(service: Service, work: Callable[[Runtime], Awaitable[Any]]) -> Any:
        async def opened() -> Any:
            async with open_service(service, scratch_database) as runtime:
                return await work(runtime)

        return asyncio.run(opened())

    async def invoke(*arguments: str) -> Result:
        app = journal_app(SERVICE, with_runtime)
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, list(arguments)))

    return invoke


async def kept(api: Api, file: Path, **changes: Any) -> list[str]:
    """The options that name a checkpoint of the journal's end, as `changes` make it."""
    (head,) = await fetch(api.runtime.engine, "SELECT position, hash FROM journal_head")
    facts = {"service": "test", "epoch": 1, "at": NOON, **dict(head), **changes}
    await asyncio.to_thread(file.write_text, Checkpoint(**facts).signed(KEY))
    return ["--checkpoint", str(file), "--public-key", str(file.parent / "public.key")]


async def test_a_chain_that_holds_is_said_to(run: Run) -> None:
    result = await run("verify")
    assert result.exit_code == 0, result.output
    assert "2 rows verify" in result.output


async def test_a_chain_is_verified_against_a_checkpoint(run: Run, api: Api, tmp_path: Path) -> None:
    result = await run("verify", *await kept(api, tmp_path / "kept"))
    assert result.exit_code == 0, result.output
    assert "passes through the checkpoint" in " ".join(result.output.split())


async def test_a_chain_that_misses_its_checkpoint_is_broken(
    run: Run, api: Api, tmp_path: Path
) -> None:
    result = await run("verify", *await kept(api, tmp_path / "kept", hash=bytes(32)))
    assert result.exit_code == 1
    assert "checkpoint" in result.output


@pytest.mark.parametrize(
    "changes, more",
    [({"service": "another"}, []), ({"position": 1}, ["--after", "2"])],
    ids=["of another journal", "before where the walk begins"],
)
async def test_a_checkpoint_that_tells_nothing_is_refused(
    changes: dict[str, Any], more: list[str], run: Run, api: Api, tmp_path: Path
) -> None:
    result = await run("verify", *await kept(api, tmp_path / "kept", **changes), *more)
    assert result.exit_code == 2


@pytest.mark.parametrize("spoilt", ["kept", "public.key"])
async def test_a_checkpoint_or_key_that_cannot_be_read_is_refused(
    spoilt: str, run: Run, api: Api, tmp_path: Path
) -> None:
    options = await kept(api, tmp_path / "kept")
    (tmp_path / spoilt).write_text("seven")
    result = await run("verify", *options)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.parametrize("alone", [0, 1])
async def test_a_checkpoint_and_its_key_come_together(
    alone: int, run: Run, api: Api, tmp_path: Path
) -> None:
    options = await kept(api, tmp_path / "kept")
    result = await run("verify", *options[2 * alone : 2 * alone + 2])
    assert result.exit_code == 2
