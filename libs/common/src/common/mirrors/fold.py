"""How a mirror's row takes one more record: the rules, and nothing else.

The highest version wins, whatever the order of arrival and however often a record comes. What
cannot be read closes the row; a version at least as new opens it. What is gone stays gone for every
record that is not newer than the grave.
"""

from dataclasses import dataclass

from common.mirrors.reading import Item

LOWEST = "0000-0000000000"
"""Sorts before every sequence: stands where the version of an unreadable record is not known."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a mirror: as it stands (`by` None), or as the record `by` made it.

    `facts`: the record that its new facts are from; None keeps those that it has.
    """

    sequence: str
    readable: bool = True
    gone: bool = False
    facts: Item | None = None
    by: Item | None = None


def fold(row: Row | None, item: Item) -> Row | None:
    """`row` after `item`; `row` itself when it changes nothing. None: still no row."""
    if item.error is not None:
        return _close(row, item)
    if item.gone:
        return _bury(row, item)
    sequence = item.sequence or LOWEST
    if row is not None and not (
        sequence > row.sequence or (sequence == row.sequence and not row.readable and not row.gone)
    ):
        return row
    return Row(sequence, facts=item, by=item)


def _close(row: Row | None, item: Item) -> Row | None:
    """There is news that we do not know. Facts and version stand for people to see."""
    if row is None:
        return Row(item.sequence or LOWEST, readable=False, by=item)
    if item.sequence is not None and item.sequence <= row.sequence:
        return row
    if item.sequence is None and (row.gone or not row.readable):
        return row
    return Row(item.sequence or row.sequence, False, row.gone, row.facts, by=item)


def _bury(row: Row | None, item: Item) -> Row | None:
    """A grave keeps its version, so that an older record cannot bring the erased back.

    A tombstone without a version is of the present row; without a row there is nothing to bury.
    """
    if item.sequence is None:
        if row is None or row.gone:
            return row
        return Row(row.sequence, gone=True, facts=item, by=item)
    if row is not None and (
        item.sequence < row.sequence or (row.gone and item.sequence == row.sequence)
    ):
        return row
    return Row(item.sequence, gone=True, facts=item, by=item)
