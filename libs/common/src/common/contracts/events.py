"""JSON Schema 2020-12 of what a service publishes, and the AsyncAPI 3.0 document around it.

A published schema says what is always there. It leaves room for more: a subscriber that refuses
unknown members could not survive an additive change.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import core_schema

from common.aggregate import PARTITIONS, Aggregate, Change, Erased
from common.kafka.watermarks import KEY, event_type
from common.service import Service

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_FORMAT = "application/schema+json;version=draft-2020-12"

Schema = dict[str, Any]


class _Published(GenerateJsonSchema):
    """Every field of a published model is sent, whether it has a default or not."""

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,
    ) -> bool:
        return True


def published_schema(*models: type[BaseModel]) -> tuple[list[Schema], Schema]:
    """A `$ref` per model and the `$defs` that they point into, as they are serialised."""
    mode: JsonSchemaMode = "serialization"
    generator = _Published(by_alias=True, ref_template="#/$defs/{model}")
    inputs = [(model, mode, model.__pydantic_core_schema__) for model in models]
    references, definitions = generator.generate_definitions(inputs)
    opened: Schema = {str(name): _open(schema) for name, schema in sorted(definitions.items())}
    return [references[(model, mode)] for model in models], opened


def event_schemas(service: Service) -> dict[str, Schema]:
    """The schema of each event's data, by event type."""
    return {
        event_type: _event_schema(aggregate, event_type, change)
        for aggregate in service.aggregates
        for event_type, change in sorted(aggregate.event_types().items())
    }


def asyncapi(service: Service, *, schemas_at: str, version: str) -> Schema:
    """The AsyncAPI document. `schemas_at`: the address below which the events' schemas lie."""
    channels: dict[str, Schema] = {}
    operations: dict[str, Schema] = {}
    messages: dict[str, Schema] = {}
    for aggregate in service.aggregates:
        names = sorted(aggregate.event_types())
        for name in names:
            messages[name] = _message(aggregate, name, f"{schemas_at}/{name}.json")
        channels[aggregate.topic] = _channel(aggregate.topic, [*names, "watermark"])
        operations[f"publish_{aggregate.name}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{aggregate.topic}"},
            "summary": f"Every change of a {aggregate.name}, with its full public state after it.",
        }
    messages["watermark"] = _watermark(service.name)
    for mirror in service.mirrors:
        channels[mirror.topic] = _channel(mirror.topic, [])
        operations[f"follow_{mirror.name}"] = {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{mirror.topic}"},
            "summary": f"Kept as the mirror {mirror.name}.",
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"{service.title} events",
            "version": version,
            "description": service.description,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def _event_schema(aggregate: Aggregate, event_type: str, change: type[Change]) -> Schema:
    about = (change.__doc__ or "").strip()
    if change is Erased:
        (changed,), definitions = published_schema(change)
        state: Schema = {"type": "object", "maxProperties": 0, "description": "nothing is left"}
    else:
        (state, changed), definitions = published_schema(aggregate.state, change)
    return {
        "$schema": DIALECT,
        "$id": f"/schemas/{event_type}.json",
        "title": event_type,
        "description": about.partition("\n")[0],
        "type": "object",
        "required": [aggregate.name, "change"],
        "properties": {aggregate.name: state, "change": changed},
        "$defs": definitions,
    }


def _open(schema: Any) -> Any:
    """`schema` without the closing of objects that our own models ask for."""
    if isinstance(schema, dict):
        return {
            key: _open(value)
            for key, value in schema.items()
            if not (key == "additionalProperties" and value is False)
        }
    return [_open(each) for each in schema] if isinstance(schema, list) else schema


def _channel(topic: str, messages: list[str]) -> Schema:
    made: Schema = {
        "address": topic,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {
            "kafka": {
                "topic": topic,
                "partitions": PARTITIONS,
                "topicConfiguration": {"cleanup.policy": ["compact"]},
                "bindingVersion": "0.5.0",
            }
        },
    }
    if not messages:
        del made["messages"]
    return made


def _message(aggregate: Aggregate, event_type: str, schema: str) -> Schema:
    return {
        "name": event_type,
        "contentType": "application/json",
        "headers": _headers(
            {
                "ce_specversion": {"const": "1.0"},
                "ce_id": {"type": "string", "format": "uuid"},
                "ce_source": {"const": aggregate.source},
                "ce_type": {"const": event_type},
                "ce_subject": {"type": "string", "format": "uuid"},
                "ce_time": {"type": "string", "format": "date-time"},
                "ce_dataschema": {"type": "string", "format": "uri-reference"},
                "ce_partitionkey": {"type": "string", "format": "uuid"},
                "ce_sequence": {"type": "string", "pattern": r"^\d{4}-\d{10}$"},
            }
        ),
        "payload": {"schemaFormat": _FORMAT, "schema": {"$ref": schema}},
        "bindings": {"kafka": {"key": {"type": "string", "format": "uuid"}}},
    }


def _watermark(service: str) -> Schema:
    return {
        "name": event_type(service),
        "summary": "Whoever has processed it has everything up to `position` in this partition.",
        "contentType": "application/json",
        "headers": _headers({"ce_type": {"const": event_type(service)}}),
        "payload": {
            "schemaFormat": _FORMAT,
            "schema": {
                "type": "object",
                "required": ["epoch", "position", "head_hash", "time", "whole", "born"],
                "properties": {
                    "epoch": {"type": "integer"},
                    "position": {"type": "integer"},
                    "head_hash": {"type": "string"},
                    "time": {"type": "string", "format": "date-time"},
                    "whole": {
                        "type": "boolean",
                        "description": "every aggregate was said under this epoch before: whoever "
                        "holds one of a lower epoch, once all partitions say so, holds what the "
                        "owner no longer has",
                    },
                    "born": {
                        "type": ["string", "null"],
                        "format": "date-time",
                        "description": "when the topic was first found empty; a later one than "
                        "before means that the topic was made anew: read it from the beginning",
                    },
                },
            },
        },
        "bindings": {"kafka": {"key": {"const": KEY.decode()}}},
    }


def _headers(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "required": list(properties), "properties": dict(properties)}
