"""Loading an organisations file: all of it in one transaction, batch by batch, or nothing.

Safe to repeat. A row is known by its normal name, country and kind; one that is registered already
stays as it is. Behind a savepoint, so that a dry run does exactly what the real one would.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID

from sqlalchemy import insert

from common.errors import UnavailableError
from common.uow import Recorded, UnitOfWork
from registry.imports.rules import MAX_PROBLEMS, Organisation, Outcome, Problem, read
from registry.imports.tables import Report, State, import_table, values_of
from registry.partners.events import PARTNER, Imported, PartnerState
from registry.partners.rules.partner import Partner, reckoned
from registry.partners.tables import row_of

BATCH = 1000

NEW = ("", True)

ONE_AT_A_TIME = "SELECT pg_try_advisory_xact_lock(1751, 1)"
"""Two numbers that mean nothing else in this database."""

# Those that this import entered before have its time, and ids that were made since it began.
STANDING = """
SELECT normal_name, kind, registered_at = $3 AND id > $4 AS ours FROM partner
WHERE country = $1 AND headquarters_id IS NULL AND normal_name = ANY ($2::text[])
"""

ENTER = """
INSERT INTO partner (id, sequence, kind, legal_name, normal_name, acronym, other_names, words,
    country, countries, led_by, identifiers, registered_at, status, verified, local,
    local_evidence, eligibility, eligibility_reasons)
SELECT id, sequence, kind, legal_name, normal_name, acronym, other_names, words,
    country, countries, led_by, identifiers, registered_at, status, verified, local,
    local_evidence, eligibility, eligibility_reasons
FROM json_populate_recordset(NULL::partner, $1::json)
ON CONFLICT DO NOTHING RETURNING id
"""

# Last of all, in order, and once: other registrations wait for whoever adds the same word.
LEARN_WORDS = """
INSERT INTO partner_word SELECT word FROM unnest($1::text[]) AS new (word) ON CONFLICT DO NOTHING
"""


class ImportRunningError(UnavailableError):
    code = "import_running"
    title = "Another file is being imported"
    retry_after_seconds = 30


@dataclass
class _Tally:
    """What has become of the rows so far."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    words: set[str] = field(default_factory=set)

    def note(self, problem: Problem) -> None:
        self.counts[problem.outcome] += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)


async def import_organisations(
    uow: UnitOfWork,
    lines: Iterable[bytes],
    *,
    country: str,
    dry_run: bool = False,
    skip_wrong: bool = False,
    progress: Callable[[int], None] = lambda rows: None,
) -> Report:
    """Enter every civil society organisation of the file as a draft partner of `country`.

    With a wrong row nothing is loaded, unless `skip_wrong`. `progress` is told the rows done so
    far. Raises ForbiddenError, UnreadableFileError, ImportRunningError.
    """
    uow.actor.must_be_staff("import organisations")
    uow.actor.must_act_in(country)
    if not await uow.driver.fetchval(ONE_AT_A_TIME):
        raise ImportRunningError("Another file is being imported; try again when it is done.")
    import_id = uow.ids.new()
    tally = _Tally()
    await uow.driver.execute("SAVEPOINT before_import")
    for batch in _batches(read(lines, country)):
        for row in batch:
            if isinstance(row, Problem):
                tally.note(row)
        organisations = [row for row in batch if isinstance(row, Organisation)]
        await _enter(uow, import_id, organisations, tally, record=not dry_run)
        progress(tally.counts.total())
    if dry_run:
        state = State.TRIED
    elif tally.counts[Outcome.WRONG] and not skip_wrong:
        state = State.REFUSED
    else:
        state = State.LOADED
        await uow.driver.execute(LEARN_WORDS, sorted(tally.words))
    if state is not State.LOADED:
        await uow.driver.execute("ROLLBACK TO SAVEPOINT before_import")
    report = Report(
        id=import_id,
        state=state,
        country=country,
        skip_wrong=skip_wrong,
        counts={outcome: tally.counts[outcome] for outcome in Outcome},
        problems=tuple(tally.problems),
        imported_by=uow.actor.subject,
        imported_at=uow.now,
    )
    await uow.db.execute(insert(import_table), values_of(report))
    return report


async def _enter(
    uow: UnitOfWork,
    import_id: UUID,
    organisations: list[Organisation],
    tally: _Tally,
    *,
    record: bool,
) -> None:
    """One batch: look up which stand, enter the others, record them."""
    if not organisations:
        return
    country = organisations[0].facts.country
    names = [each.facts.normal_name for each in organisations]
    standing = {
        row["normal_name"]: (row["kind"], row["ours"])
        for row in await uow.driver.fetch(STANDING, country, names, uow.now, import_id)
    }
    sequence = uow.after(None)
    new: list[Partner] = []
    for organisation, name in zip(organisations, names, strict=True):
        facts = organisation.facts
        kind, ours = standing.get(name, NEW)
        if not kind:
            standing[name] = facts.kind.value, True
            draft = Partner(uow.ids.new(), str(sequence), facts, registered_at=uow.now)
            new.append(reckoned(draft, uow.now.date()))
        elif kind == facts.kind.value:
            tally.counts[Outcome.UNCHANGED] += 1
        else:
            where = "stands earlier in this file" if ours else f"is registered in {country} already"
            sentence = f"It {where}, as {kind.replace('_', ' ')}."
            tally.note(Problem(organisation.row, Outcome.WRONG, facts.legal_name, sentence))
    rows = json.dumps([row_of(partner) for partner in new], default=str)
    entered = {row["id"] for row in await uow.driver.fetch(ENTER, rows)}
    tally.counts[Outcome.ENTERED] += len(entered)
    tally.counts[Outcome.UNCHANGED] += len(new) - len(entered)  # somebody was quicker
    kept = [partner for partner in new if partner.id in entered]
    tally.words.update(word for partner in kept for word in partner.facts.words)
    if record:
        change = Imported(import_id=import_id)
        await uow.record_many(
            PARTNER,
            (Recorded(partner.id, sequence, change, PartnerState.of(partner)) for partner in kept),
        )


def _batches(rows: Iterable[Organisation | Problem]) -> Iterator[list[Organisation | Problem]]:
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH)):
        yield batch
