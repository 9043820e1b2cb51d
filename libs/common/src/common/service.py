"""What a service is made of, as one readable table. Each `<service>/service.py` fills one in."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.aggregate import Aggregate
from common.chores import Chore
from common.mirrors.mirror import Mirror, Reaction
from common.settings import CommonSettings
from common.uow import UnitOfWork

if TYPE_CHECKING:
    import typer

    from common.http.routes import Routes


@dataclass(frozen=True)
class Invariant:
    """Something that must always hold. `check` gives a sentence per breach; none means it holds."""

    name: str
    check: Callable[[UnitOfWork], Awaitable[list[str]]]


@dataclass(frozen=True)
class Service:
    """One service: its name, what it owns and publishes, what it copies, how it is spoken to.

    `scopes` maps every scope to the sentence shown in the OpenAPI. `policy` gives commands what
    they may know of the settings, as a frozen value. `cli` holds the service's own commands.
    `deletes_from`: the tables in which it deletes rows; in all others it is not given that right.
    """

    name: str
    title: str
    description: str
    settings: type[CommonSettings]
    aggregates: tuple[Aggregate, ...]
    scopes: Mapping[str, str]
    routes: "tuple[Routes, ...]"
    mirrors: tuple[Mirror, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    invariants: tuple[Invariant, ...] = ()
    policy: Callable[[Any], Any] = lambda settings: None
    chores: tuple[Chore, ...] = ()
    deletes_from: tuple[str, ...] = ()
    cli: "tuple[typer.Typer, ...]" = ()
