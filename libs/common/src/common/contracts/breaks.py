"""The additive gate: what a new contract takes away from those who rely on the old one.

Clients may send what they sent, and get what they got. New operations, optional input and more
members in answers are fine; a new value in a published list is too, since subscribers are told to
expect unknown values. Everything else needs a new version beside the old one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from common.contracts.shape import Document, Schema, misfits

_METHODS = ("get", "post", "put", "patch", "delete")


def breaks(old: Schema, new: Schema) -> list[str]:
    """A sentence for each way in which `new` breaks a user of `old`.

    Both are OpenAPI documents, or both schemas of one event.
    """
    if "openapi" in old:
        return list(_openapi(old, new))
    return _answer_breaks(Document(old, old), Document(new, new), str(old.get("title", "event")))


def _openapi(old: Schema, new: Schema) -> Iterator[str]:
    for path, methods in old["paths"].items():
        for method in _METHODS:
            if method not in methods:
                continue
            name = f"{method.upper()} {path}"
            operation = new["paths"].get(path, {}).get(method)
            if operation is None:
                yield f"{name} is gone"
                continue
            was, now = Document(methods[method], old), Document(operation, new)
            yield from _operation(was, now, name)


def _operation(was: Document, now: Document, name: str) -> Iterator[str]:
    if was.schema["operationId"] != now.schema["operationId"]:
        yield f"{name} is named {now.schema['operationId']}, was {was.schema['operationId']}"
    if _scopes(was.schema) != _scopes(now.schema):
        yield f"{name} needs other scopes: {sorted(_scopes(now.schema))}"
    yield from _parameters(was, now, name)
    yield from _body(was, now, name)
    for status, response in was.schema["responses"].items():
        if not status.startswith("2"):
            continue
        if status not in now.schema["responses"]:
            yield f"{name} no longer answers {status}"
            continue
        answer = now.schema["responses"][status]
        yield from _response(was.at(response), now.at(answer), f"{name} {status}")


def _parameters(was: Document, now: Document, name: str) -> Iterator[str]:
    old = {(each["in"], each["name"]): each for each in was.schema.get("parameters", ())}
    new = {(each["in"], each["name"]): each for each in now.schema.get("parameters", ())}
    for place, parameter in new.items():
        label = f"{name} {place[0]}:{place[1]}"
        if parameter.get("required") and not old.get(place, {}).get("required"):
            yield f"{label} is now required"
        if place in old:
            yield from misfits(
                was.at(old[place].get("schema", {})), now.at(parameter.get("schema", {})), label
            )
    for place in old.keys() - new.keys():
        yield f"{name} {place[0]}:{place[1]} is no longer taken"


def _body(was: Document, now: Document, name: str) -> Iterator[str]:
    old, new = was.schema.get("requestBody"), now.schema.get("requestBody")
    if new is not None and new.get("required") and not (old or {}).get("required"):
        yield f"{name} now requires a body"
    if old is None:
        return
    for media_type, content in old["content"].items():
        taken = (new or {"content": {}})["content"].get(media_type)
        if taken is None:
            yield f"{name} no longer takes {media_type}"
        else:
            yield from misfits(
                was.at(content.get("schema", {})), now.at(taken.get("schema", {})), f"{name} body"
            )


def _response(was: Document, now: Document, name: str) -> Iterator[str]:
    for header in was.schema.get("headers", {}):
        if header not in now.schema.get("headers", {}):
            yield f"{name} no longer has the header {header}"
    for media_type, content in was.schema.get("content", {}).items():
        given = now.schema.get("content", {}).get(media_type)
        if given is None:
            yield f"{name} no longer comes as {media_type}"
        else:
            yield from _answer_breaks(
                Document(_complete(content.get("schema", {})), _complete(was.root)),
                Document(_complete(given.get("schema", {})), _complete(now.root)),
                f"{name} body",
            )


def _answer_breaks(old: Document, new: Document, where: str) -> list[str]:
    """What may now be sent that a reader of `old` cannot take; more members are no surprise."""
    reader = Document(_tolerant(old.schema), _tolerant(old.root))
    return misfits(new, reader, where, new_values=False)


def _tolerant(schema: Any) -> Any:
    """`schema` as a tolerant reader takes it: with room for more, and every member that was there
    always needed; bounds of what we sent are no promise."""
    if isinstance(schema, Mapping):
        return {
            key: _tolerant(value)
            for key, value in schema.items()
            if not (key == "additionalProperties" and value is False) and key not in _NO_PROMISE
        }
    return [_tolerant(each) for each in schema] if isinstance(schema, list) else schema


_NO_PROMISE = {"maxLength", "minLength", "maximum", "minimum", "maxItems", "minItems", "pattern"}


def _complete(schema: Any) -> Any:
    """`schema` of an answer: we send every member, those with a default too."""
    if isinstance(schema, Mapping):
        made = {key: _complete(value) for key, value in schema.items()}
        if isinstance(made.get("properties"), dict):
            made["required"] = sorted(made["properties"])
        return made
    return [_complete(each) for each in schema] if isinstance(schema, list) else schema


def _scopes(operation: Schema) -> set[str]:
    return {
        scope
        for requirement in operation.get("security", ())
        for scopes in requirement.values()
        for scope in scopes
    }
