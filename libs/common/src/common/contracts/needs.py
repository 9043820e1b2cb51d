"""What consumers need of events: every field that a mirror reads must be sent, as that type."""

from collections.abc import Iterable, Mapping
from typing import Any

from common.aggregate import Erased
from common.contracts.events import event_schemas
from common.contracts.shape import Document, misfits
from common.mirrors.mirror import Mirror
from common.service import Service


def unmet_needs(
    consumers: Iterable[Service],
    producers: Iterable[Service],
    released: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[str]:
    """A sentence for each field that a mirror of `consumers` reads and an event does not carry.

    `released` holds older schemas by event type: what is in Kafka still was written under them, so
    the fields that a mirror cannot do without must be in those too.
    """
    schemas: dict[str, Mapping[str, Any]] = {}
    aggregates = {}
    for producer in producers:
        schemas.update(event_schemas(producer))
        aggregates.update({each.topic: each for each in producer.aggregates})
    found: list[str] = []
    for consumer in consumers:
        for mirror in consumer.mirrors:
            name = f"{consumer.name}: mirror {mirror.name}"
            aggregate = aggregates.get(mirror.topic)
            if aggregate is None or aggregate.name != mirror.aggregate:
                found.append(
                    f"{name} follows {mirror.topic}/{mirror.aggregate}, which nobody publishes"
                )
                continue
            for event_type in aggregate.event_types():
                if event_type == aggregate.event_type(Erased):
                    continue
                found += _unmet(mirror, schemas[event_type], f"{name} ({event_type})", every=True)
                if released and event_type in released:
                    label = f"{name} ({event_type} as released)"
                    found += _unmet(mirror, released[event_type], label, every=False)
    return sorted(set(found))


def _unmet(mirror: Mirror, schema: Mapping[str, Any], name: str, *, every: bool) -> Iterable[str]:
    """`every`: optional fields must be there too; a misspelt one would be missed in silence."""
    needed = mirror.model.model_json_schema(mode="validation", by_alias=True)
    event = Document(schema, schema)
    state = event.at(schema["properties"][mirror.aggregate]).resolved()
    if every:
        absent = needed.get("properties", {}).keys() - state.schema.get("properties", {}).keys()
        optional = absent - set(needed.get("required", ()))
        yield from (f"{name}.{field} is not sent" for field in sorted(optional))
    yield from misfits(state, Document(needed, needed), name)
