"""What a row of an organisations file (Humanitarian Data Exchange columns) means to us.

The file says what an organisation is called, of what type it is, and nothing else; the country is
the importer's to say. Types that are not civil society are passed over, each with a sentence. A row
that cannot be understood is wrong, and a file with a wrong row is not loaded unless that is asked
for.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from common.errors import InvalidError, Place
from registry.partners.rules.kinds import Kind
from registry.partners.rules.names import MAX_NAME, normal, trouble_with
from registry.partners.rules.partner import Facts

COLUMNS = ("acronym", "name", "org_type_code", "org_type_description")
MAX_ACRONYM = 40
MAX_CODE = 40
MAX_ROWS = 1_000_000
MAX_LINE_BYTES = 64 * 1024
MAX_PROBLEMS = 1000
"""Problems that are listed; of more, only the number is told."""

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "431": Kind.UNIVERSITY_RESEARCH,
        "437": Kind.INTERNATIONAL_NGO,
        "439": Kind.NON_PROFIT_MEDIA,
        "441": Kind.NATIONAL_NGO,
        "444": Kind.PHILANTHROPIC_FOUNDATION,
        "445": Kind.RCRC_NATIONAL_SOCIETY,
    }
)

_OTHERS: Mapping[str, str] = MappingProxyType(
    {
        "433": "A donor is not a civil society partner.",
        "434": "An embassy is a state actor, not a civil society partner.",
        "435": "A government body is a state actor, not a civil society partner.",
        "438": "An intergovernmental organisation is not a civil society partner.",
        "440": "A military organisation is not a civil society partner.",
        "443": "The type “other” does not tell what it is; register it by hand under its kind.",
        "446": "A religious organisation has no kind of its own here; register it by hand.",
        "447": "A UN organisation is not a civil society partner.",
    }
)

_COMPANY = "The private sector is not civil society, except for foundations that say so by name."

_FOUNDATION = frozenset(
    [
        "foundation",
        "foundations",
        "fondation",
        "fundacion",
        "fundacao",
        "stiftung",
        "stichting",
        "مؤسسه",
        "مءسسه",
    ]
)
_INTERNATIONAL = frozenset(
    ["international", "internationale", "internacional", "icrc", "ifrc", "cicr", "ficr"]
)


class UnreadableFileError(InvalidError):
    code = "unreadable_file"
    title = "This is not an organisations file"


class Outcome(StrEnum):
    """What becomes of a row. UNCHANGED: that partner is registered already."""

    ENTERED = "entered"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    WRONG = "wrong"


@dataclass(frozen=True)
class Problem:
    """A row that was skipped or wrong, and why. `row`: line of the file on which it ends."""

    row: int
    outcome: Outcome
    name: str
    message: str


@dataclass(frozen=True)
class Organisation:
    """A row that can become a partner."""

    row: int
    facts: Facts


def read(lines: Iterable[bytes], country: str) -> Iterator[Organisation | Problem]:
    """What each row of a CSV file (UTF-8, with or without a byte order mark) means in `country`.

    Raises UnreadableFileError, before the first row for a wrong header, or at the line that is no
    UTF-8 or no CSV; nothing of the file is to be kept then.
    """
    reader = csv.reader(_decoded(lines), strict=True)
    try:
        header = next(reader, [])
        if [column.strip().lower() for column in header] != list(COLUMNS):
            raise _unreadable(
                f"The first line must name the columns {', '.join(COLUMNS)}, in this order."
            )
        for number, fields in enumerate(reader, start=1):
            if number > MAX_ROWS:
                raise _unreadable(f"At most {MAX_ROWS:,} rows are read; split the file.")
            if any(field.strip() for field in fields):  # spreadsheets end in rows of mere commas
                yield understand(reader.line_num, fields, country)
    except csv.Error as error:
        raise _unreadable(f"Line {reader.line_num} is not CSV: {error}.") from error


def understand(row: int, fields: list[str], country: str) -> Organisation | Problem:
    """The organisation in `fields`, or why there is none."""
    if len(fields) != len(COLUMNS):
        return Problem(
            row, Outcome.WRONG, "", f"The row has {len(fields)} fields instead of {len(COLUMNS)}."
        )
    acronym, name, code = (" ".join(field.split()) for field in fields[:3])
    trouble = _trouble(fields, acronym, name, code)
    if trouble is not None:
        return Problem(row, Outcome.WRONG, _UNSEEN.sub("\ufffd", name[:MAX_NAME]), trouble)
    if code in _OTHERS:
        return Problem(row, Outcome.SKIPPED, name, _OTHERS[code])
    kind = _kind(code, name)
    if kind is None:
        return Problem(row, Outcome.SKIPPED, name, _COMPANY)
    # A national society may be a foreign one at work here: where it works is left open, so that
    # nobody becomes a local actor by import.
    at_home = kind is not Kind.RCRC_NATIONAL_SOCIETY
    return Organisation(
        row,
        Facts(
            kind=kind,
            legal_name=name,
            country=country,
            acronym=acronym or None,
            countries=(country,) if at_home else (),
        ),
    )


def _trouble(fields: list[str], acronym: str, name: str, code: str) -> str | None:
    if any(_UNSEEN.search(field) for field in fields[:3]):  # the description is not kept
        return "A field holds a line break or a character that cannot be seen."
    if not name:
        return "The name is missing."
    if (sentence := trouble_with(name)) is not None:
        return sentence
    if len(acronym) > MAX_ACRONYM:
        return f"The acronym is longer than {MAX_ACRONYM} characters."
    if code not in _KINDS and code not in _OTHERS:
        return (
            f"There is no organisation type {code[:MAX_CODE]!r}."
            if code
            else "The type code is missing."
        )
    return None


def _kind(code: str, name: str) -> Kind | None:
    kind = _KINDS[code]
    words = set(normal(name).split())
    if kind is Kind.PHILANTHROPIC_FOUNDATION and not words & _FOUNDATION:
        return None
    if kind is Kind.RCRC_NATIONAL_SOCIETY and words & _INTERNATIONAL:
        return Kind.RCRC_INTERNATIONAL
    return kind


def _decoded(lines: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if len(line) > MAX_LINE_BYTES:
            raise _unreadable(f"Line {number} is longer than {MAX_LINE_BYTES // 1024} KiB.")
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise _unreadable(f"Line {number} is not UTF-8; save the file as UTF-8.") from error
        yield text.removeprefix("\ufeff") if number == 1 else text


def _unreadable(sentence: str) -> UnreadableFileError:
    return UnreadableFileError(sentence, places=[Place("/file", sentence, "unreadable")])
