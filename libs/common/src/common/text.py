"""Text that people write, bounded and storable: `Annotated[str, Line(200)]`, `Paragraph(2000)`.

Control characters are refused: PostgreSQL cannot store NUL, and the others hide in names and break
files made from them. It does not judge what the text says, and it changes nothing but the blanks
around it and the line ends.
"""

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

# C0 (less tab, line feed, carriage return), DEL, C1, and halves of surrogate pairs
_UNSEEN = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ud800-\udfff"
_BREAKS = r"\u0009\u000a\u000d\u2028\u2029"


@dataclass(frozen=True)
class _Text:
    max_length: int

    kind: ClassVar[str]
    refused: ClassVar[re.Pattern[str]]
    pattern: ClassVar[str]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        bounded = core_schema.str_schema(
            strict=True, strip_whitespace=True, min_length=1, max_length=self.max_length
        )
        return core_schema.no_info_after_validator_function(self._check, bounded)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {
            "type": "string",
            "minLength": 1,
            "maxLength": self.max_length,
            "pattern": self.pattern,
        }

    def _check(self, text: str) -> str:
        found = self.refused.search(text)
        if found is not None:
            raise PydanticCustomError(
                "control_character",
                "this is {kind}; remove the character U+{code} at position {position}",
                {
                    "kind": self.kind,
                    "code": f"{ord(found[0]):04X}",
                    "position": found.start() + 1,
                },
            )
        return text


@dataclass(frozen=True)
class Line(_Text):
    """One line of text of 1 to `max_length` characters: a name, a title, a reference."""

    kind = "a single line of text"
    refused = re.compile(f"[{_UNSEEN}{_BREAKS}]")
    pattern = rf"^[^{_UNSEEN}{_BREAKS}]*[^\s{_UNSEEN}{_BREAKS}][^{_UNSEEN}{_BREAKS}]*$"


@dataclass(frozen=True)
class Paragraph(_Text):
    """Text of 1 to `max_length` characters that may run over lines: a reason, a description."""

    kind = "plain text"
    refused = re.compile(f"[{_UNSEEN}]")
    pattern = rf"^[^{_UNSEEN}]*[^\s{_UNSEEN}][^{_UNSEEN}]*$"

    def _check(self, text: str) -> str:
        return super()._check(text).replace("\r\n", "\n").replace("\r", "\n")
