"""Erasing a stream: its key is dropped, so that nothing private about it can be read any more.

The rows stay, and the chain over them verifies: it covers ciphertext, which no longer opens. A
backup made before still has the key, so the erasure is complete once those have aged out. What was
public stays in the journal and by its nature holds no personal data; copies are told by the
`erased` event and keep a grave.
"""

from uuid import UUID

from common.aggregate import Aggregate, Erased
from common.models import PublicModel
from common.sequence import Sequence
from common.uow import UnitOfWork

# NULL stays for good: a key that comes later would say something of the erased again.
DROP_KEY = """
INSERT INTO stream_key (stream, wrapped) VALUES ($1, NULL)
ON CONFLICT (stream) DO UPDATE SET wrapped = NULL
"""


class Nothing(PublicModel):
    """The state of what was erased: `{}`."""


async def erase_stream(
    uow: UnitOfWork, aggregate: Aggregate, stream: UUID, before: str, *, reason: str
) -> Sequence:
    """Drop the key of `stream` and record `erased`. The sequence that it stands at now.

    The caller has locked the aggregate at `before` and clears or removes its own row. `reason` is a
    coarse code. Events are the last word: nothing private can be recorded of the stream again.
    """
    sequence = uow.after(before)
    await uow.driver.execute(DROP_KEY, stream)
    await uow.record(aggregate, stream, sequence, Erased(), Nothing(), reason=reason)
    return sequence
