"""The three kinds of pydantic model, by who may send what.

`PublicModel` is what we publish (events, answers): exact and frozen. `InputModel` is what clients
send: an unknown field is refused, so that a misspelt one is never silently dropped. `ReadingModel`
is what we read of another service's events: just the fields we need, whatever else comes along.
"""

from pydantic import BaseModel, ConfigDict


class PublicModel(BaseModel):
    """Something we publish."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class InputModel(BaseModel):
    """Something a client sends."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class ReadingModel(BaseModel):
    """What we need of another service's public state."""

    model_config = ConfigDict(extra="ignore", frozen=True)
