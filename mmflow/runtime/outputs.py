"""The output contract of a flow: told to the models that can be told, and held on every answer before anybody sees it."""

import re
from collections.abc import Awaitable, Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
from msgspec.structs import replace

from mmflow.plan import Output
from mmflow.plugin import CallError, Message, Model, Reply, Request
from mmflow.runtime.deadline import Bounds
from mmflow.runtime.events import OutputInvalid, OutputRepaired
from mmflow.runtime.record import Record

if TYPE_CHECKING:
    from jsonschema_rs import Validator

MOST_SCHEMA_BYTES = 256_000
MOST_SCHEMA_DEPTH = 64
MOST_ANSWER_DEPTH = 200

MASK = "the value"
"""What stands in a message for what an answer says: a record of what is wrong with it is none of the answer."""

LONGEST_MESSAGE = 200
LONGEST_WHERE = 120

_FENCED = re.compile(r"^[ \t]*```[ \t]*(?:json)?[ \t]*\n(.*?)\n[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE | re.IGNORECASE)
_FENCE = re.compile(r"^[ \t]*```", re.MULTILINE)
_PLAIN = re.compile(r"[A-Za-z_]\w*")


class Invalid(Exception):
    """An answer that breaks its contract: what is wrong, and `where` in its JSON (`$.items[2]`), empty for the whole."""

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(message)
        self.message, self.where = _short(message, LONGEST_MESSAGE), _short(where, LONGEST_WHERE)


@attrs.frozen
class Contract:
    """A contract that is ready to be held: `schema` is what its file says, None where it has none."""

    output: Output
    schema: dict[str, Any] | bool | None = None
    validator: "Validator | None" = None

    @property
    def is_json(self) -> bool:
        return self.output.format == "json" or self.output.schema_file is not None

    @property
    def response_format(self) -> dict[str, Any] | None:
        """The contract in the form of chat completions; None where any text is of it."""
        if not self.is_json:
            return None
        if not isinstance(self.schema, dict):
            return {"type": "json_object"}
        schema = {key: value for key, value in self.schema.items() if key != "$schema"}
        named = {"name": self.output.name[:64], "schema": schema}
        return {"type": "json_schema", "json_schema": named | ({"strict": True} if is_strict(schema) else {})}

    def told(self, model: Model, request: Request) -> Request:
        """The request with the contract in it, where the model can be told and the caller asks for no form of their own."""
        own, wanted = request.response_format, self.response_format
        if wanted is None or (own is not None and own.get("type") != "text"):
            return request
        if wanted["type"] not in _told_by(model):
            wanted = {"type": "json_object"}
        # Providers refuse this form where no message speaks of JSON, and it rules out what is not an object.
        if wanted["type"] == "json_object" and not (
            "json_object" in _told_by(model) and self._is_object and _speaks_of_json(request.messages)
        ):
            return request
        return replace(request, response_format=wanted)

    @property
    def _is_object(self) -> bool:
        return not isinstance(self.schema, dict) or self.schema.get("type") == "object"

    def held(self, reply: Reply) -> tuple[Reply, str | None]:
        """The reply in its normal form, and what was taken away from around it, if anything. Raises `Invalid`.

        The normal form is JSON without a code fence, or a text, neither with blanks or a byte order mark around it.
        """
        if reply.finish == "length":
            raise Invalid("it was cut off at the limit of its tokens")
        if reply.tool_calls:
            return reply, None
        text = reply.text.strip("\ufeff \t\r\n")
        if not text:
            raise Invalid("it is empty")
        if not self.is_json:
            return (reply if text == reply.text else replace(reply, text=text)), None
        how = None
        try:
            value = _decoded(text)
        except Invalid:
            if (inner := _unfenced(text)) is None:
                raise
            text, how = inner, "took the code fence away, and what stood around it"
            value = _decoded(text)
        self._check(value)
        return (reply if text == reply.text else replace(reply, text=text)), how

    def is_kept_by(self, reply: Reply) -> bool:
        """Whether a reply is of the contract."""
        try:
            self.held(reply)
        except Invalid:
            return False
        return True

    def _check(self, value: Any) -> None:
        if self.validator is None:
            return
        # It is heavy, and loaded already where there is a validator.
        from jsonschema_rs import ValidationError

        try:
            # `iter_errors` would make all errors before it gives the first: seconds, for a long answer full of them.
            self.validator.validate(value)
        except ValidationError as error:
            raise Invalid(error.message, json_path(error.instance_path)) from None


class Outputs:
    """The contracts of a plan, each made when it is first needed: its schema is read once."""

    def __init__(self, outputs: dict[str, Output], folder: Path) -> None:
        self._outputs, self._folder = outputs, folder
        self._made: dict[str, Contract] = {}

    def contract(self, name: str) -> Contract:
        """A declared contract. `CallError` where its schema is missing or cannot be used."""
        if (made := self._made.get(name)) is None:
            made = self._made[name] = contract_of(self._outputs[name], self._folder)
        return made


async def contracted(
    contract: Contract, ask: Callable[[], Awaitable[Reply]], model: Model, path: str, bounds: Bounds, record: Record
) -> Reply:
    """The first answer that keeps the contract. `CallError` of class `invalid_output` where none of the tries does.

    What `ask` raises is raised, and ends the tries; so does the deadline.
    """
    output = contract.output
    for tries_left in range(output.retry_times, -1, -1):
        reply = await ask()
        try:
            reply, how = contract.held(reply)
        except Invalid as invalid:
            failure = invalid
        else:
            if how is not None:
                record.write(OutputRepaired(at_s=record.now(), path=path, model=model.name, output=output.name, how=how))
            return reply
        record.write(
            OutputInvalid(
                at_s=record.now(),
                path=path,
                model=model.name,
                output=output.name,
                message=failure.message,
                where=failure.where,
                tries_left=tries_left,
            )
        )
        if bounds.left_s(record.clock()) <= 0:
            break
    at = f" at {failure.where}" if failure.where else ""
    message = f"the answer of `{model.name}` is not of output `{output.name}`{at}: {failure.message}"
    again = "" if output.retry_times else "add `on_invalid = retry(1)`, "
    help = f"say in the `prompt` what is due, {again}or add a fallback on `invalid_output`"
    raise CallError("invalid_output", message, help="raise `max_output`" if "cut off" in message else help)


# ---- the schema -------------------------------------------------------------------------------------------------------------


def contract_of(output: Output, folder: Path) -> Contract:
    """A contract with its schema, from a path in the folder of the workflow. `CallError` where it cannot be used."""
    if output.schema_file is None:
        return Contract(output)
    schema = _read(output.schema_file, folder)
    # It is heavy, and few workflows have a schema.
    from jsonschema_rs import RegexOptions, ValidationError, validator_for

    try:
        # Nothing is fetched, from the disk neither, and patterns are matched in linear time.
        validator = validator_for(schema, retriever=_refuse, pattern_options=RegexOptions(), mask=MASK)
    except ValidationError as error:
        place, value = json_path(error.instance_path), _short(repr(error.instance), 40)
        said = _short(error.message.replace(MASK, f"{place} = {value}" if place else "it"), LONGEST_MESSAGE)
        help = "keep all of the schema in one file, and patterns without look-around"
        raise _unusable(f"the schema `{output.schema_file}` cannot be used: {said}", help) from None
    return Contract(output, schema, validator)


def _read(file: str, folder: Path) -> dict[str, Any] | bool:
    path = folder / file
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_SCHEMA_BYTES + 1)
    except OSError as error:
        raise _unusable(f"the schema `{file}` cannot be read: {error.strerror}", "check `schema` of the output") from None
    if len(data) > MOST_SCHEMA_BYTES:
        raise _unusable(f"the schema `{file}` has more than {MOST_SCHEMA_BYTES // 1000} kB", "make it smaller")
    try:
        schema = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, RecursionError) as error:
        raise _unusable(f"the schema `{file}` is not JSON: {_short(str(error), LONGEST_MESSAGE)}", "correct it") from None
    if not isinstance(schema, dict | bool):
        raise _unusable(f"the schema `{file}` is {_named(schema)}, not an object", "write a JSON Schema")
    if is_deeper(schema, MOST_SCHEMA_DEPTH):
        raise _unusable(f"the schema `{file}` is nested deeper than {MOST_SCHEMA_DEPTH} levels", "use `$defs` and `$ref`")
    return schema


def _refuse(uri: str) -> Any:
    raise ValueError("references to other files are not followed")


def _unusable(message: str, help: str) -> CallError:
    return CallError("protocol", message, dispatched="no", help=help)


_STRICT = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "anyOf", "$defs", "$ref", "title", "description"}
)


def is_strict(schema: dict[str, Any]) -> bool:
    """Whether a provider can promise a schema: objects of known fields which are all required, and nothing beyond their form.

    The rules are those of OpenAI's strict mode, which refuses any other schema.
    """
    return schema.get("type") == "object" and "anyOf" not in schema and _is_strict(schema)


def _is_strict(schema: Any) -> bool:
    if not isinstance(schema, dict) or not schema.keys() <= _STRICT:
        return False
    fields = schema.get("properties", {})
    if "properties" in schema or schema.get("type") == "object":
        closed = schema.get("additionalProperties") is False
        if not (closed and isinstance(fields, dict) and sorted(schema.get("required", ())) == sorted(fields)):
            return False
    inner = [*fields.values(), *schema.get("$defs", {}).values(), *schema.get("anyOf", ())]
    return all(map(_is_strict, [*inner, *([schema["items"]] if "items" in schema else [])]))


# ---- what is said -----------------------------------------------------------------------------------------------------------


def _decoded(text: str) -> Any:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        said = str(error).removeprefix("JSON is malformed: ") if isinstance(error, msgspec.DecodeError) else "a lone surrogate"
        raise Invalid(f"it is not JSON: {said}") from None
    except RecursionError:
        value = None
        raise Invalid("it is nested too deeply") from None
    if is_deeper(value, MOST_ANSWER_DEPTH):
        raise Invalid("it is nested too deeply")
    return value


def _unfenced(text: str) -> str | None:
    """What stands in the one code fence of a text; None where there is none, or more than one: then nobody knows which."""
    if len(_FENCE.findall(text)) != 2 or (found := _FENCED.search(text)) is None:
        return None
    return found[1].strip("\ufeff \t\r\n")


def is_deeper(value: Any, most: int) -> bool:
    """Whether lists and objects are nested deeper than so many levels."""
    level = [value]
    for _ in range(most + 1):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def json_path(steps: list[str | int]) -> str:
    """A place in a JSON value: `$.items[2].name`, `$["odd key"]`, and empty for the whole."""
    if not steps:
        return ""
    said = (
        f"[{each}]"
        if isinstance(each, int)
        else f".{each}"
        if _PLAIN.fullmatch(each)
        else f"[{msgspec.json.encode(each).decode()}]"
        for each in islice(steps, LONGEST_WHERE)
    )
    return "$" + "".join(said)


def _told_by(model: Model) -> set[str]:
    """The forms that a model can be told."""
    forms = {"json": "json_object", "json_schema": "json_schema"}
    return {forms[each] for each in model.capabilities if each in forms}


def _speaks_of_json(messages: tuple[Message, ...]) -> bool:
    return any("json" in message.text.lower() for message in messages)


def _named(value: object) -> str:
    return {list: "a list", str: "a string", type(None): "null"}.get(type(value), "a number")


def _short(text: str, most: int) -> str:
    """A text of somebody else on one line, without what a terminal would act on, and not too long."""
    text = " ".join(text[: 4 * most].split())
    shown = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
