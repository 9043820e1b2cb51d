"""A setting that is wrong stops the start, and is named."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from common.cli import command_line
from support.parcels import SERVICE

KNOWN = {
    "POST_PROFILE": "development",
    "POST_DATABASE_URL": "postgresql+asyncpg://nobody@nowhere/nothing",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
}


@pytest.mark.parametrize(
    "setting, value, allowed",
    [
        ("POST_KAFKA_SECURITY_PROTOCOL", "TLS", "SASL_SSL"),
        ("POST_KAFKA_SECURITY_PROTOCOL", "ssl", "SSL"),
        ("POST_KAFKA_SECURITY_PROTOCOL", "", "PLAINTEXT"),
        ("POST_LOG_FORMAT", "text", "console"),
        ("POST_LOG_LEVEL", "LOUD", "WARNING"),
    ],
)
def test_a_setting_with_an_unknown_value_stops_the_start_and_is_named(
    setting: str, value: str, allowed: str
) -> None:
    result = CliRunner().invoke(command_line(SERVICE), ["audit"], env={**KNOWN, setting: value})
    assert result.exit_code == 2
    said = " ".join(result.stderr.split())
    assert said.startswith(f"{setting}: ")
    assert allowed in said
