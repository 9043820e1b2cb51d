"""A consumer's need is met when every field it reads is sent, as a type that it takes."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, Literal
from uuid import UUID

import pytest
from sqlalchemy import Column, MetaData, Text

from common.contracts.events import event_schemas
from common.contracts.needs import unmet_needs
from common.mirrors.mirror import Mirror, mirror_table
from common.models import ReadingModel
from common.service import Service
from support import parcels

PRODUCER = parcels.SERVICE


class Fitting(ReadingModel):
    name: str
    status: str
    note: str | None = None


class Suits(ReadingModel):
    name: str
    status: Literal["packed", "sent", "lost"]


class MissesOptional(ReadingModel):
    name: str
    weigth: str | None = None


class MissesRequired(ReadingModel):
    weight: str


class Mistypes(ReadingModel):
    worth: int


class TakesFewerValues(ReadingModel):
    status: Literal["packed"]


class WantsAnId(ReadingModel):
    name: UUID


def consumer(model: type[ReadingModel], topic: str = "post.parcel.v1") -> Service:
    columns: list[Column[Any]] = [Column(name, Text) for name in model.model_fields]
    table = mirror_table("parcel_mirror", MetaData(), *columns)
    mirror = Mirror("parcels", topic, "parcel", table, model, relevant=())
    return replace(PRODUCER, name="reader", aggregates=(), routes=(), mirrors=(mirror,))


def test_a_model_that_reads_what_is_sent_is_satisfied() -> None:
    assert unmet_needs([consumer(Suits)], [PRODUCER]) == []


@pytest.mark.parametrize(
    "model, says",
    [
        (MissesOptional, ".weigth is not sent"),
        (MissesRequired, ".weight is missing, where it is required"),
        (Mistypes, ".worth may be string, where integer is expected"),
        (TakesFewerValues, ".status may be 'sent', which is not expected"),
        (WantsAnId, ".name may be string, where string (uuid) is expected"),
    ],
)
def test_a_need_that_is_not_met_is_named_for_every_event(
    model: type[ReadingModel], says: str
) -> None:
    found = unmet_needs([consumer(model)], [PRODUCER])
    assert len(found) == 3  # packed, sent, restored; what is erased has no state
    assert all(says in each for each in found)


def test_a_topic_that_nobody_publishes_is_named() -> None:
    (found,) = unmet_needs([consumer(Suits, "post.letter.v1")], [PRODUCER])
    assert "nobody publishes" in found


def test_what_cannot_be_missed_must_be_in_older_events_too() -> None:
    event_type = "int.iom.post.parcel.packed.v1"
    older = copy.deepcopy(event_schemas(PRODUCER)[event_type])
    state = older["$defs"]["ParcelState"]
    del state["properties"]["status"]
    state["required"].remove("status")
    (found,) = unmet_needs([consumer(Suits)], [PRODUCER], {event_type: older})
    assert "as released" in found
    assert ".status is missing" in found
