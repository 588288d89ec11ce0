"""`scorer x using json_valid`: 1 where the answer is one JSON value, of the schema where there is one, and nothing else; else 0.

A code fence around the whole value is allowed, since models like to write one. `NaN` and `Infinity` are not JSON. The schema is a
JSON Schema of any draft, in one file: references to others are not followed, and its patterns are matched in linear time.
"""

import re
from typing import TYPE_CHECKING, Any

import msgspec

from mmflow.plugin import Ask, File, Host, OptionError, Reply, Request, ScorerWord, hook, option, options

if TYPE_CHECKING:
    from jsonschema_rs import Validator

MOST_SCHEMA_BYTES = 1_000_000

_FENCE = re.compile(r"```[ \t]*(?:json|JSON)?[ \t]*\n(.*)\n[ \t]*```", re.DOTALL)


@options
class JsonValidOptions:
    """1 where the answer is one JSON value, in a code fence or not, that the schema allows; else 0."""

    schema: File | None = option(None, doc="The JSON Schema that the value satisfies.")


class JsonValid:
    """1 or 0."""

    def __init__(self, options: JsonValidOptions) -> None:
        self._validator = None if options.schema is None else _validator(options.schema)

    async def score(self, request: Request, reply: Reply, ask: Ask) -> float:
        try:
            value = msgspec.json.decode(unfenced(reply.text))
            return float(self._validator is None or self._validator.is_valid(value))
        # A lone surrogate is a ValueError, and so is nesting that the validator does not follow; any deeper, a RecursionError.
        except (msgspec.DecodeError, ValueError, RecursionError):
            return 0.0


def _validator(path: str) -> "Validator":
    """What knows the values that a schema allows. Raises `OptionError` where the file holds none."""
    # It is heavy, and few workflows have a schema.
    from jsonschema_rs import RegexOptions, validator_for

    try:
        with open(path, "rb") as file:
            data = file.read(MOST_SCHEMA_BYTES + 1)
    except (OSError, ValueError) as error:  # a path with a null byte is a ValueError
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise OptionError("schema", f"cannot read {path}: {reason}", "it starts at the folder of the workflow") from None
    if len(data) > MOST_SCHEMA_BYTES:
        raise OptionError("schema", f"{path} has more than {MOST_SCHEMA_BYTES // 1000} kB", "make it smaller")
    try:
        schema = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise OptionError("schema", f"{path} is not JSON: {error}", "correct it") from None
    try:
        return validator_for(schema, retriever=_refuse, pattern_options=RegexOptions())
    except (ValueError, TypeError, RecursionError) as error:
        # `str` would print the whole schema.
        said = str(getattr(error, "message", "") or error)[:200]
        help = "keep all of the schema in one file, and patterns without look-around"
        raise OptionError("schema", f"{path} is no schema that can be used: {said}", help) from None


def _refuse(uri: str) -> Any:
    raise ValueError("references to other files are not followed")


def unfenced(text: str) -> str:
    """The text without the code fence around it, where there is one."""
    text = text.strip()
    fenced = _FENCE.fullmatch(text)
    return fenced[1].strip() if fenced else text


def _make(options: JsonValidOptions, host: Host) -> JsonValid:
    return JsonValid(options)


@hook
def mmflow_scorers() -> list[ScorerWord]:
    return [ScorerWord("json_valid", JsonValidOptions, _make)]
