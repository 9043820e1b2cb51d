"""The settings that this service adds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from disbursement.settings import Settings, policy


def _settings(**others: Any) -> Settings:
    known: dict[str, Any] = {
        "profile": "development",
        "database_url": "postgresql+asyncpg://nobody@nowhere/nothing",
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    }
    return Settings(**known | others)


def test_every_amount_has_a_band_out_of_the_box() -> None:
    bands = policy(_settings()).bands
    assert bands[-1].up_to is None
    assert [band.required for band in bands] == sorted(band.required for band in bands)


def test_every_term_names_its_source() -> None:
    assert all(term.source for term in policy(_settings()).terms)


def test_bands_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    bands = [{"up_to": "10", "required": 1, "roles": ["a"]}, {"required": 2, "roles": ["b"]}]
    monkeypatch.setenv("DISBURSEMENT_APPROVAL_BANDS", json.dumps(bands))
    assert [band.roles for band in policy(_settings()).bands] == [("a",), ("b",)]


def test_bands_that_leave_a_gap_stop_the_start() -> None:
    with pytest.raises(ValidationError, match="no upper limit"):
        _settings(approval_bands=[{"up_to": "10", "required": 1, "roles": ["a"]}])
