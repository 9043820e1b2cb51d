"""The end of the chain, signed, to be kept where the database's owner cannot reach.

Whoever can edit every row can also compute every hash anew. They cannot change what was written
down elsewhere: as long as a chain passes through an old checkpoint, nothing before it was touched.
Ed25519 (RFC 8032) over the canonical JSON (RFC 8785) of every field but the signature.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from common.clock import utc

HEAD = "SELECT epoch, head.position, head.hash FROM journal_head AS head, journal_epoch"


class CheckpointError(ValueError):
    """No checkpoint, or not signed by the key it should be."""


@dataclass(frozen=True)
class Checkpoint:
    """`hash` is that of the row at `position` in the journal of `service`, as of `at`."""

    service: str
    epoch: int
    position: int
    hash: bytes
    at: datetime

    def facts(self) -> dict[str, Any]:
        """What is signed."""
        return {
            "service": self.service,
            "epoch": self.epoch,
            "position": self.position,
            "hash": self.hash.hex(),
            "at": utc(self.at).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        }

    def signed(self, key: Ed25519PrivateKey) -> str:
        """The checkpoint as one line of JSON, with its signature."""
        signature = base64.b64encode(key.sign(rfc8785.dumps(self.facts()))).decode()
        return json.dumps({**self.facts(), "signature": signature})


async def checkpoint(driver: Any, service: str, now: datetime) -> Checkpoint:
    """The head of the journal that `driver` (an asyncpg connection) reads, as of `now`."""
    head = await driver.fetchrow(HEAD)
    return Checkpoint(service, head["epoch"], head["position"], head["hash"], now)


def verify_checkpoint(text: str, key: Ed25519PublicKey) -> Checkpoint:
    """The checkpoint that `text` is, as `Checkpoint.signed` wrote it. Raises CheckpointError."""
    try:
        given = json.loads(text)
        read = Checkpoint(
            service=given["service"],
            epoch=given["epoch"],
            position=given["position"],
            hash=bytes.fromhex(given["hash"]),
            at=utc(datetime.fromisoformat(given["at"])),
        )
        signature = base64.b64decode(given["signature"], validate=True)
        key.verify(signature, rfc8785.dumps(read.facts()))
    except InvalidSignature as error:
        raise CheckpointError(
            "the checkpoint's signature does not verify under this key"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise CheckpointError(f"this is no checkpoint: {error}") from error
    return read
