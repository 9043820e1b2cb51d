"""Importing a file of organisations: rules, API, command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from typer.testing import CliRunner

from common.cli import command_line
from registry.imports import commands
from registry.imports.rules import Organisation, Outcome, Problem, UnreadableFileError, read
from registry.partners.rules.kinds import Kind
from registry.service import SERVICE
from support.api import PERSON, key_file, problem
from support.registry import Registry, done, made

HEAD = "acronym,name,org_type_code,org_type_description\n"
FILE = (
    HEAD
    + "SHS,Shapla Health Society,441,National NGO\n"
    + '"PC","Padma Circle, Women\'s",441,National NGO\n'
    + "GA,Globe Aid,437,International NGO\n"
    + ",Crescent of the Delta,445,Red Cross / Red Crescent\n"
)
MIXED = FILE + "MoW,Ministry of Water,435,Government\n"
BAD = FILE + "X,,441,National NGO\n"


async def send(registry: Registry, text: str | bytes, **form: Any) -> httpx.Response:
    """The answer to an import."""
    content = text.encode() if isinstance(text, str) else text
    headers = form.pop("headers", {})
    return await registry.api.post(
        "/v1/imports",
        files={"file": ("organisations.csv", content, "text/csv")},
        data={"country": "BGD", **form},
        headers=headers,
    )


def figures(report: dict[str, Any]) -> tuple[str, int, int, int, int]:
    """State, entered, unchanged, skipped, wrong."""
    counts = (report[name] for name in ("entered", "unchanged", "skipped", "wrong"))
    return (report["state"], *counts)


# --- what a row means ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row, kind",
    [
        ("A,Delta Aid,441,National NGO", Kind.NATIONAL_NGO),
        ("A,Globe Aid,437,International NGO", Kind.INTERNATIONAL_NGO),
        ("A,Delta University,431,Academic / Research", Kind.UNIVERSITY_RESEARCH),
        ("A,Radio Delta,439,Media", Kind.NON_PROFIT_MEDIA),
        ("A,Fondation du Delta,444,Private sector", Kind.PHILANTHROPIC_FOUNDATION),
        ("A,Delta Red Crescent,445,Red Cross / Red Crescent", Kind.RCRC_NATIONAL_SOCIETY),
        ("A,International Crescent Body,445,", Kind.RCRC_INTERNATIONAL),
    ],
)
def test_types_of_civil_society_have_a_kind(row: str, kind: Kind) -> None:
    (found,) = read([HEAD.encode(), row.encode()], "BGD")
    assert isinstance(found, Organisation)
    assert found.facts.kind is kind


@pytest.mark.parametrize("code", ["433", "434", "435", "438", "440", "443", "446", "447", "444"])
def test_other_types_are_passed_over_with_a_sentence(code: str) -> None:
    (found,) = read([HEAD.encode(), f"A,Delta Works,{code},".encode()], "BGD")
    assert isinstance(found, Problem)
    assert found.outcome is Outcome.SKIPPED
    assert found.message.endswith(".")


@pytest.mark.parametrize(
    "row, words",
    [
        ("A,,441,National NGO", "name is missing"),
        ("A,—,441,National NGO", "at least one letter"),
        (f"A,{'x' * 301},441,National NGO", "longer than 300"),
        (f"A,{'ﷺ' * 300},441,National NGO", "longer than 300"),
        (f"{'x' * 41},Delta Aid,441,National NGO", "longer than 40"),
        ("A,Delta Aid,,", "type code is missing"),
        ("A,Delta Aid,999,", "no organisation type '999'"),
        ("A,Delta Aid,441", "3 fields instead of 4"),
        ("A,Delta Aid,441,National NGO,more", "5 fields instead of 4"),
        ("A,Delta\x00Aid,441,National NGO", "cannot be seen"),
        ('A,"Delta\nAid",441,National NGO', "cannot be seen"),
    ],
)
def test_a_row_that_cannot_be_understood_is_wrong(row: str, words: str) -> None:
    lines = (HEAD + row).encode().splitlines(keepends=True)
    (found,) = read(lines, "BGD")
    assert isinstance(found, Problem)
    assert found.outcome is Outcome.WRONG
    assert words in found.message


@pytest.mark.parametrize("description", ['"National\nNGO"', "\x07", "\x00"])
def test_the_description_is_not_read(description: str) -> None:
    lines = (HEAD + f"A,Delta Aid,441,{description}\n").encode().splitlines(keepends=True)
    (found,) = read(lines, "BGD")
    assert isinstance(found, Organisation)


@pytest.mark.parametrize("row", ["", ",,,", " , ,,", ",,,,,"])
def test_an_empty_row_says_nothing(row: str) -> None:
    lines = (HEAD + f"A,Delta Aid,441,x\n{row}\n").encode().splitlines(keepends=True)
    assert len(list(read(lines, "BGD"))) == 1


def test_a_problem_quotes_nothing_that_cannot_be_kept() -> None:
    line = f"A,Delta\x00Aid\x07,{'9' * 500},x".encode()
    (unseen, unknown) = read([HEAD.encode(), line, f"A,B,{'9' * 500},x".encode()], "BGD")
    assert isinstance(unseen, Problem)
    assert isinstance(unknown, Problem)
    assert unseen.name == "Delta\ufffdAid\ufffd"
    assert len(unknown.message) < 100


def test_a_problem_names_its_line() -> None:
    lines = (HEAD + "A,Delta Aid,441,x\n\nA,,441,x\n").encode().splitlines(keepends=True)
    _, found = read(lines, "BGD")
    assert found.row == 4


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "must name the columns"),
        (b"name,acronym,org_type_code,org_type_description\n", "must name the columns"),
        (HEAD.encode() + b"A,\xff\xfe,441,x\n", "Line 2 is not UTF-8"),
        (HEAD.encode() + b'A,"Delta" Aid,441,x\n', "Line 2 is not CSV"),
        (HEAD.encode() + b'A,"Delta Aid,441,x\n', "is not CSV"),
        (HEAD.encode() + b"A," + b"x" * 70_000 + b",441,x\n", "longer than 64 KiB"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(content: bytes, words: str) -> None:
    with pytest.raises(UnreadableFileError, match=words):
        list(read(content.splitlines(keepends=True), "BGD"))


def test_a_byte_order_mark_is_no_part_of_the_header() -> None:
    assert list(read([b"\xef\xbb\xbf" + HEAD.encode()], "BGD")) == []


def test_nobody_becomes_local_by_import() -> None:
    lines = FILE.encode().splitlines(keepends=True)
    foreign = next(
        each
        for each in read(lines, "BGD")
        if isinstance(each, Organisation) and each.facts.kind is Kind.RCRC_NATIONAL_SOCIETY
    )
    assert foreign.facts.countries == ()


# --- over HTTP ----------------------------------------------------------------------------------


async def test_a_file_is_loaded_as_drafts(registry: Registry) -> None:
    answer = await send(registry, FILE)
    report = made(answer)
    assert figures(report) == ("loaded", 4, 0, 0, 0)
    assert done(await registry.api.get(answer.headers["location"])) == report
    everyone = done(await registry.api.get("/v1/partners"))["items"]
    assert {each["status"] for each in everyone} == {"draft"}
    assert {each["local"] for each in everyone} == {"no", "undetermined"}
    assert {tuple(await registry.changes(each)) for each in everyone} == {("imported",)}
    assert await registry.found(name="padma wimen") == ["Padma Circle, Women's"]


async def test_an_import_leaves_what_a_registration_leaves(registry: Registry) -> None:
    made(await send(registry, HEAD + "SHS,Shapla Health Society,441,National NGO\n"))
    await registry.register(legal_name="Lotus", acronym="L", affiliation=None)
    one, other = (dict(row) for row in await registry.rows("SELECT * FROM partner ORDER BY id"))
    own = ("id", "legal_name", "normal_name", "acronym", "words")
    assert {key: value for key, value in one.items() if key not in own} == {
        key: value for key, value in other.items() if key not in own
    }


async def test_the_same_file_again_changes_nothing(registry: Registry) -> None:
    made(await send(registry, FILE))
    assert figures(made(await send(registry, FILE))) == ("loaded", 0, 4, 0, 0)
    assert await registry.count("partner") == await registry.count("journal") == 4


async def test_a_row_twice_in_a_file_is_one_partner(registry: Registry) -> None:
    twice = FILE + "SHS,SHAPLA  HEALTH SOCIETY,441,National NGO\n"
    assert figures(made(await send(registry, twice))) == ("loaded", 4, 1, 0, 0)


async def test_who_registered_before_stays_as_it_is(registry: Registry) -> None:
    partner = await registry.active()
    assert figures(made(await send(registry, FILE))) == ("loaded", 3, 1, 0, 0)
    assert (await registry.now(partner))["status"] == "active"


async def test_the_same_name_as_another_kind_is_a_wrong_row(registry: Registry) -> None:
    await registry.register(kind="local_ngo")
    report = made(await send(registry, FILE))
    assert figures(report) == ("refused", 3, 0, 0, 1)
    assert report["problems"][0]["message"] == "It is registered in BGD already, as local ngo."


async def test_the_same_name_twice_in_a_file_as_two_kinds_is_a_wrong_row(
    registry: Registry,
) -> None:
    await registry.register(legal_name="Globe Aid", kind="local_ngo")
    twice = FILE + "S,SHAPLA Health Society,437,International NGO\n"
    messages = [each["message"] for each in made(await send(registry, twice))["problems"]]
    assert messages == [
        "It is registered in BGD already, as local ngo.",
        "It stands earlier in this file, as national ngo.",
    ]


async def test_a_wrong_row_of_a_later_batch_knows_the_earlier_ones(registry: Registry) -> None:
    rows = "".join(f"A,Delta Aid {n},441,x\n" for n in range(commands.BATCH + 5))
    report = made(await send(registry, HEAD + rows + "A,Delta Aid 0,437,x\n", skip_wrong="true"))
    assert "earlier in this file" in report["problems"][0]["message"]


async def test_a_name_with_a_character_that_cannot_be_kept_is_reported(registry: Registry) -> None:
    report = made(await send(registry, FILE + "A,Delta\x00Aid,441,x\n", skip_wrong="true"))
    assert figures(report) == ("loaded", 4, 0, 0, 1)
    assert report["problems"][0]["name"] == "Delta\ufffdAid"


async def test_what_is_not_civil_society_is_passed_over_and_told(registry: Registry) -> None:
    report = made(await send(registry, MIXED))
    assert figures(report) == ("loaded", 4, 0, 1, 0)
    assert report["problems"] == [
        {
            "row": 6,
            "outcome": "skipped",
            "name": "Ministry of Water",
            "message": "A government body is a state actor, not a civil society partner.",
        }
    ]


async def test_with_one_wrong_row_nothing_is_loaded(registry: Registry) -> None:
    assert figures(made(await send(registry, BAD))) == ("refused", 4, 0, 0, 1)
    for table in ("partner", "journal", "partner_word"):
        assert await registry.count(table) == 0


async def test_wrong_rows_can_be_left_out_on_demand(registry: Registry) -> None:
    report = made(await send(registry, BAD, skip_wrong="true"))
    assert figures(report) == ("loaded", 4, 0, 0, 1)
    assert await registry.count("partner") == 4


async def test_a_dry_run_tells_the_same_and_loads_nothing(registry: Registry) -> None:
    report = made(await send(registry, MIXED, dry_run="true"))
    assert figures(report) == ("tried", 4, 0, 1, 0)
    for table in ("partner", "journal", "partner_word"):
        assert await registry.count(table) == 0


async def test_a_file_that_breaks_in_the_middle_leaves_nothing(registry: Registry) -> None:
    rows = "".join(f"A,Delta Aid {n},441,National NGO\n" for n in range(commands.BATCH + 5))
    broken = (HEAD + rows).encode() + b"A,\xff,441,x\n"
    refusal = problem(await send(registry, broken), 422, "unreadable_file")
    assert "not UTF-8" in refusal["detail"]
    for table in ("partner", "journal", "partner_word", "partner_import"):
        assert await registry.count(table) == 0


async def test_more_than_a_batch_is_loaded(registry: Registry) -> None:
    total = 2 * commands.BATCH + 7
    rows = "".join(f"A{n},Delta Aid {n},441,National NGO\n" for n in range(total))
    assert figures(made(await send(registry, HEAD + rows))) == ("loaded", total, 0, 0, 0)
    assert await registry.count("partner") == await registry.count("journal") == total


async def test_only_the_first_problems_are_listed(registry: Registry) -> None:
    rows = "M,Ministry,435,Government\n" * 1200
    report = made(await send(registry, HEAD + rows))
    assert report["skipped"] == 1200
    assert len(report["problems"]) == 1000


@pytest.mark.parametrize(
    "form, pointer", [({"country": "BD"}, "country"), ({"dry_run": "maybe"}, "dry_run")]
)
async def test_a_wrong_form_is_pointed_at(
    registry: Registry, form: dict[str, Any], pointer: str
) -> None:
    refusal = problem(await send(registry, FILE, **form), 422, "invalid")
    assert pointer in refusal["errors"][0]["pointer"]


async def test_an_import_is_for_staff_of_the_country(registry: Registry) -> None:
    abroad = registry.api.token(countries=["MMR"])
    problem(await send(registry, FILE, headers=abroad), 403, "forbidden")
    own = registry.api.token(partner=UUID(int=1))
    problem(await send(registry, FILE, headers=own), 403, "forbidden")
    report = made(await send(registry, FILE))
    path = f"/v1/imports/{report['id']}"
    problem(await registry.api.get(path, headers=abroad), 403, "forbidden")
    problem(await registry.api.get(path, headers=own), 403, "forbidden")
    problem(await registry.api.get(f"/v1/imports/{UUID(int=1)}"), 404, "not_found")


async def test_two_imports_do_not_run_at_once(registry: Registry) -> None:
    async def while_another_runs(uow: Any) -> None:
        await uow.driver.fetchval(commands.ONE_AT_A_TIME)
        answer = await send(registry, FILE)
        problem(answer, 503, "import_running")
        assert answer.headers["retry-after"] == "30"

    await registry.api.units.run(while_another_runs, actor=PERSON)


# --- on the command line ------------------------------------------------------------------------


@pytest.fixture
def environment(registry_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "REGISTRY_PROFILE": "development",
        "REGISTRY_DATABASE_URL": registry_url,
        "REGISTRY_DEV_ISSUER_KEY_FILE": str(key_file()),
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    "text, options, code, words",
    [
        (MIXED, (), 0, "BGD: loaded (4 entered, 0 unchanged, 1 skipped, 0 wrong)"),
        (MIXED, ("--dry-run",), 0, "BGD: a dry run: nothing was loaded (4 entered"),
        (BAD, (), 1, "BGD: refused: nothing was loaded"),
        (BAD, ("--skip-wrong",), 0, "BGD: loaded (4 entered, 0 unchanged, 0 skipped, 1 wrong)"),
        ("what?", (), 2, "must name the columns"),
    ],
)
@pytest.mark.usefixtures("environment")
def test_the_command_line_says_what_it_did(
    tmp_path: Path, text: str, options: tuple[str, ...], code: int, words: str
) -> None:
    file = tmp_path / "organisations.csv"
    file.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(
        command_line(SERVICE), ["import", str(file), "--country", "BGD", *options]
    )
    assert result.exit_code == code, result.output
    assert words in " ".join(result.output.split())


@pytest.mark.usefixtures("environment")
def test_the_command_line_refuses_a_country_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "organisations.csv"
    file.write_text(FILE, encoding="utf-8")
    result = CliRunner().invoke(command_line(SERVICE), ["import", str(file), "--country", "BD"])
    assert result.exit_code == 2
    assert "not an ISO 3166-1" in result.output


@pytest.mark.usefixtures("environment")
def test_the_daily_job_says_how_many_have_expired() -> None:
    result = CliRunner().invoke(command_line(SERVICE), ["expire"])
    assert result.exit_code == 0, result.output
    assert "0 partners have expired" in result.output
