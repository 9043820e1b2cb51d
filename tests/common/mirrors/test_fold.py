"""The rules by which one record changes one row: every state of a row against every kind of
record.
"""

from __future__ import annotations

import pytest

from common.mirrors.fold import LOWEST, Row, fold
from common.mirrors.reading import read_item
from mirror_kit import THINGS, A, Said, broken, erased, event, record, seq, tombstone

OPEN, CLOSED, GRAVE = Row(seq(5)), Row(seq(5), readable=False), Row(seq(5), gone=True)
NEVER_READ = Row(LOWEST, readable=False)

Standing = tuple[str, bool, bool] | None
SAME: Standing = ("same", False, False)

CASES: list[tuple[Row | None, Said, Standing]] = [
    # no row yet
    (None, event(A, 5), (seq(5), True, False)),
    (None, broken(A, 5), (seq(5), False, False)),
    (None, broken(A, None), (LOWEST, False, False)),
    (None, erased(A, 5), (seq(5), True, True)),
    (None, tombstone(A, 5), (seq(5), True, True)),
    (None, tombstone(A), None),
    # an open row
    (OPEN, event(A, 4), SAME),
    (OPEN, event(A, 5), SAME),
    (OPEN, event(A, 6), (seq(6), True, False)),
    (OPEN, event(A, 1, epoch=2), (seq(1, 2), True, False)),
    (OPEN, broken(A, 5), SAME),
    (OPEN, broken(A, 6), (seq(6), False, False)),
    (OPEN, broken(A, None), (seq(5), False, False)),
    (OPEN, erased(A, 4), SAME),
    (OPEN, erased(A, 6), (seq(6), True, True)),
    (OPEN, tombstone(A, 4), SAME),
    (OPEN, tombstone(A, 5), (seq(5), True, True)),
    (OPEN, tombstone(A), (seq(5), True, True)),
    # a closed row
    (CLOSED, event(A, 4), SAME),
    (CLOSED, event(A, 5), (seq(5), True, False)),
    (CLOSED, event(A, 6), (seq(6), True, False)),
    (CLOSED, broken(A, 5), SAME),
    (CLOSED, broken(A, 6), (seq(6), False, False)),
    (CLOSED, broken(A, None), SAME),
    (CLOSED, erased(A, 5), (seq(5), True, True)),
    (CLOSED, tombstone(A), (seq(5), True, True)),
    (NEVER_READ, event(A, 1), (seq(1), True, False)),
    # a grave
    (GRAVE, event(A, 5), SAME),
    (GRAVE, event(A, 6), (seq(6), True, False)),
    (GRAVE, event(A, 1, epoch=2), (seq(1, 2), True, False)),
    (GRAVE, broken(A, 5), SAME),
    (GRAVE, broken(A, 6), (seq(6), False, True)),
    (GRAVE, broken(A, None), SAME),
    (GRAVE, erased(A, 5), SAME),
    (GRAVE, erased(A, 6), (seq(6), True, True)),
    (GRAVE, tombstone(A, 5), SAME),
    (GRAVE, tombstone(A), SAME),
]


@pytest.mark.parametrize("row, said, expected", CASES)
def test_a_record_changes_a_row_by_these_rules(
    row: Row | None, said: Said, expected: Standing
) -> None:
    after = fold(row, read_item(record(said, 0), THINGS))
    if expected is SAME:
        assert after is row
    elif expected is None:
        assert after is None
    else:
        assert after is not None
        assert (after.sequence, after.readable, after.gone) == expected


@pytest.mark.parametrize("row, said, expected", CASES)
def test_the_same_record_again_changes_nothing(
    row: Row | None, said: Said, expected: Standing
) -> None:
    item = read_item(record(said, 0), THINGS)
    once = fold(row, item)
    assert fold(once, item) is once
