"""Comparing two JSON schemas by what they let through, for those who send and those who receive.

Both the additive gate and the check of consumers' needs are the same question: does everything that
one side may write fit what the other side reads? It is answered per place, in sentences. It knows
the keywords that our generators use, not all of JSON Schema.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

_UPPER = ("maxLength", "maximum", "exclusiveMaximum", "maxItems")
_LOWER = ("minLength", "minimum", "exclusiveMinimum", "minItems")
_MAX_DEPTH = 40


@dataclass(frozen=True)
class Document:
    """A schema with the document that its `$ref`s point into."""

    schema: Schema
    root: Schema

    def at(self, schema: Schema) -> "Document":
        return Document(schema, self.root)

    def resolved(self) -> "Document":
        """The schema behind any `$ref`, with what stands beside it."""
        schema = self.schema
        for _ in range(_MAX_DEPTH):
            reference = schema.get("$ref")
            if reference is None:
                return self.at(schema)
            target: Any = self.root
            for step in str(reference).removeprefix("#/").split("/"):
                target = target[step.replace("~1", "/").replace("~0", "~")]
            schema = {**target, **{k: v for k, v in schema.items() if k != "$ref"}}
        raise ValueError(f"references go round in circles at {schema.get('$ref')}")

    def alternatives(self) -> Iterator["Document"]:
        """The plain schemas of which one must hold: unions and lists of types taken apart."""
        here = self.resolved()
        schema = here.schema
        for key in ("anyOf", "oneOf"):
            if key in schema:
                for each in schema[key]:
                    yield from here.at(each).alternatives()
                return
        if len(schema.get("allOf", ())) == 1:
            yield from here.at(schema["allOf"][0]).alternatives()
        elif isinstance(schema.get("type"), list):
            for each in schema["type"]:
                yield here.at({**schema, "type": each})
        else:
            yield here

    @property
    def kind(self) -> str:
        """`string`, `object`, … ; `anything` when the schema does not say."""
        schema = self.schema
        if "type" in schema:
            return str(schema["type"])
        for value in self.values or ():
            return _kind_of(value)
        return "object" if "properties" in schema else "anything"

    @property
    def values(self) -> list[Any] | None:
        """The only values allowed, or None when they are not listed."""
        if "const" in self.schema:
            return [self.schema["const"]]
        found = self.schema.get("enum")
        return list(found) if found is not None else None


def misfits(
    written: Document,
    read: Document,
    where: str,
    *,
    new_values: bool = True,
    _depth: int = 0,
) -> list[str]:
    """A sentence for each thing that may be `written` and is not expected by who `read`s.

    `new_values`: whether a value that the reader's list does not hold is a misfit.
    """
    if _depth > _MAX_DEPTH:  # a schema that contains itself has been compared long before
        return []
    readers = list(read.alternatives())
    found: list[str] = []
    for each in written.alternatives():
        fitting = [other for other in readers if _same_kind(each, other)]
        if not fitting:
            kinds = " or ".join(sorted({_shown(other) for other in readers}))
            found.append(f"{where} may be {_shown(each)}, where {kinds} is expected")
            continue
        attempts = [_inside(each, other, where, new_values, _depth) for other in fitting]
        nearest = min(attempts, key=len)
        found.extend(nearest)
    return found


def _inside(
    written: Document, read: Document, where: str, new_values: bool, depth: int
) -> list[str]:
    found = [*_bounds(written, read, where)]
    allowed, used = read.values, written.values
    if allowed is not None and new_values:
        if used is None:
            found.append(
                f"{where} may be any {written.kind}, where only {_listed(allowed)} are expected"
            )
        else:
            extra = [value for value in used if value not in allowed]
            if extra:
                found.append(f"{where} may be {_listed(extra)}, which is not expected")
    if written.kind == "object":
        found.extend(_members(written, read, where, new_values, depth))
    elif written.kind == "array" and "items" in written.schema and "items" in read.schema:
        found.extend(
            misfits(
                written.at(written.schema["items"]),
                read.at(read.schema["items"]),
                f"{where}[]",
                new_values=new_values,
                _depth=depth + 1,
            )
        )
    return found


def _members(
    written: Document, read: Document, where: str, new_values: bool, depth: int
) -> Iterator[str]:
    sent, expected = written.schema.get("properties", {}), read.schema.get("properties", {})
    always = set(written.schema.get("required", ()))
    closed = read.schema.get("additionalProperties") is False
    for name in read.schema.get("required", ()):
        if name not in always:
            how = "may be missing" if name in sent else "is missing"
            yield f"{where}.{name} {how}, where it is required"
    for name, schema in sent.items():
        if name in expected:
            yield from misfits(
                written.at(schema),
                read.at(expected[name]),
                f"{where}.{name}",
                new_values=new_values,
                _depth=depth + 1,
            )
        elif closed:
            yield f"{where}.{name} may be there, and is not taken"
    kept, taken = (d.schema.get("additionalProperties") for d in (written, read))
    if isinstance(kept, Mapping) and isinstance(taken, Mapping):
        yield from misfits(
            written.at(kept), read.at(taken), f"{where}.*", new_values=new_values, _depth=depth + 1
        )


def _bounds(written: Document, read: Document, where: str) -> Iterator[str]:
    if written.values is not None:
        return  # listed values need no bounds
    for keys, exceeds in ((_UPPER, float.__gt__), (_LOWER, float.__lt__)):
        for key in keys:
            limit, own = read.schema.get(key), written.schema.get(key)
            if limit is not None and (own is None or exceeds(float(own), float(limit))):
                yield f"{where} may go beyond {key} {limit}"
    pattern = read.schema.get("pattern")
    if pattern is not None and written.schema.get("pattern") != pattern:
        yield f"{where} may not match {pattern}"


def _same_kind(written: Document, read: Document) -> bool:
    if read.kind == "anything":
        return True
    if (written.kind, read.kind) == ("integer", "number"):
        return True
    expected = read.schema.get("format")
    return written.kind == read.kind and expected in (None, written.schema.get("format"))


def _shown(each: Document) -> str:
    layout = each.schema.get("format")
    return f"{each.kind} ({layout})" if layout else each.kind


def _listed(values: list[Any]) -> str:
    return ", ".join(sorted(repr(value) for value in values))


def _kind_of(value: object) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
    return kinds.get(type(value), "anything")
