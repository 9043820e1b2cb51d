"""What was measured, and how it is shown: beside its floor or its aim, and whether that is met."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table

NONE = "–"


@dataclass(frozen=True)
class Figure:
    """One line. `met` is None where a figure only stands there to compare with."""

    name: str
    value: str
    floor: str = NONE
    result: str = NONE
    aim: str = NONE
    met: bool | None = None
    failed: bool = False


def failed(name: str) -> Figure:
    """What could not be measured."""
    return Figure(name, "failed", met=False, failed=True)


def ratio(
    name: str, value: float, floor: float, aim: float, *, of_rounds: float, unit: str = "/s"
) -> Figure:
    """`value` beside its `floor`; `of_rounds` is their ratio, which must be at least `aim`."""
    return Figure(
        name,
        f"{value:,.0f}{unit}",
        f"{floor:,.0f}{unit}",
        f"{of_rounds:.2f}",
        f"≥ {aim:.2f}",
        of_rounds >= aim,
    )


def at_least(name: str, value: float, aim: float, unit: str) -> Figure:
    """`value`, which must not be less."""
    return Figure(name, f"{value:,.0f} {unit}", aim=f"≥ {aim:,.0f}", met=value >= aim)


def at_most(
    name: str, value: float, aim: float, unit: str, *, places: int = 0, floor: str = NONE
) -> Figure:
    """`value`, which must not be more."""
    shown = f"{value:,.{places}f} {unit}"
    return Figure(name, shown, floor, aim=f"≤ {aim:g}", met=value <= aim)


def times(name: str, value: str, floor: str, result: float, aim: float) -> Figure:
    """`value`, which is `result` times its `floor` and must not be more than `aim` times that."""
    return Figure(name, value, floor, f"{result:.2f} ×", f"≤ {aim:g} ×", result <= aim)


def table(figures: Iterable[Figure], title: str) -> Table:
    """All of them, as they are printed."""
    shown = Table(
        "figure", "measured", "floor", "ratio", "aim", "", title=title, title_justify="left"
    )
    for each in figures:
        verdict = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[each.met]
        shown.add_row(each.name, each.value, each.floor, each.result, each.aim, verdict)
    return shown


def median(values: Iterable[float]) -> float:
    """The middle one."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def quantile(values: Iterable[float], part: float) -> float:
    """The value that `part` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
