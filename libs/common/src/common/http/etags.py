"""Entity tags: an aggregate's sequence in quotes, always strong (RFC 9110, section 8.8.3)."""

import re

from common.errors import DomainError, Kind, MalformedError, StaleVersionError
from common.sequence import Sequence

_ONE_TAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e]*)"\s*', re.ASCII)


class PreconditionRequiredError(DomainError):
    code = "precondition_required"
    kind = Kind.PRECONDITION_REQUIRED
    title = "Say which version you decided on"


def etag(sequence: Sequence | str) -> str:
    """`"0001-0000000007"`"""
    return f'"{sequence}"'


def expected_version(if_match: str | None) -> Sequence:
    """The version that the client decided on, from `If-Match`.

    Raises PreconditionRequiredError when it is missing, MalformedError unless it is one entity tag,
    StaleVersionError for a tag that can match no version (a weak one, or none of ours).
    """
    if if_match is None:
        raise PreconditionRequiredError(
            "Send If-Match with the ETag that you read, so that nobody's change is overwritten."
        )
    match = _ONE_TAG.fullmatch(if_match)
    if match is None:
        raise MalformedError('If-Match takes one entity tag in quotes, as in "0001-0000000007".')
    try:
        if match[1]:
            raise ValueError("a weak tag never matches")
        return Sequence.parse(match[2])
    except ValueError as error:
        raise StaleVersionError(
            "This ETag names no version here: weak or foreign tags never match. Read it again."
        ) from error


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Whether the client already holds the version `tag`, by `If-None-Match` (weak comparison)."""
    if if_none_match is None:
        return False
    held = (each.strip().removeprefix("W/") for each in if_none_match.split(","))
    return any(each in (tag, "*") for each in held)
