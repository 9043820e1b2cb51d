"""What a service publishes: aggregates, their topics and the events that change them.

An aggregate is declared once, in its slice's `events.py`; topics, schemas, AsyncAPI, the journal
and republication all follow from that declaration.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from common.models import PublicModel

PARTITIONS = 6
"""Partitions of every topic. Never changed: the key's partition would move and order be lost."""

NAMESPACE = "int.iom"


class Change(PublicModel):
    """What happened, in the past participle; a subclass names it: `happened = "verified"`."""

    happened: ClassVar[str]


class Restored(Change):
    """The owner's database was restored; this is the state it holds now."""

    happened = "restored"


class Erased(Change):
    """The aggregate was erased; its state is empty and every copy must go."""

    happened = "erased"


@dataclass(frozen=True)
class Aggregate:
    """One kind of thing that a service owns and publishes.

    `table` has columns `id` and `sequence`. `state` is the full public state that every event
    carries beside its change: no personal data, no bank data, no free text.
    """

    service: str
    name: str
    table: str
    state: type[PublicModel]
    changes: tuple[type[Change], ...]
    version: int = 1
    by_name: dict[str, type[Change]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        every: tuple[type[Change], ...] = (*self.changes, Restored, Erased)
        object.__setattr__(self, "by_name", {change.happened: change for change in every})

    @property
    def topic(self) -> str:
        """`registry.partner.v1`"""
        return f"{self.service}.{self.name}.v{self.version}"

    @property
    def source(self) -> str:
        """The CloudEvents source: `/registry`."""
        return f"/{self.service}"

    def event_type(self, change: type[Change] | Change) -> str:
        """`int.iom.registry.partner.verified.v1`"""
        return f"{NAMESPACE}.{self.service}.{self.name}.{change.happened}.v{self.version}"

    def event_types(self) -> dict[str, type[Change]]:
        """Every event type of this aggregate with the model of its change."""
        return {self.event_type(change): change for change in self.by_name.values()}
