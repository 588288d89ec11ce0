"""A small value that a JSON Schema allows, for simulated answers: what the schema requires and little else.

References within the schema, `enum`, `const`, `allOf`, the first of `anyOf` and `oneOf`, bounds of numbers, lengths, and the
common formats of strings are kept. `pattern` and `not` are not looked at.
"""

import math
from collections.abc import Mapping
from typing import Any

import attrs

MAX_DEPTH = 24
MAX_VALUES = 2_000
_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT1S",
    "email": "simulated@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def json_instance(schema: object, text: str) -> Any:
    """A value of the schema; free strings in it are `text`. A schema that nests without an end gets null where it is cut."""
    return _value(schema, _Run(schema, text), 0)


@attrs.define
class _Run:
    root: object
    text: str
    values_left: int = MAX_VALUES


def _value(schema: object, run: _Run, depth: int) -> Any:
    run.values_left -= 1
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH or run.values_left < 0:
        return run.text if schema is True else None
    schema = _resolved(schema, run, depth)
    if "const" in schema:
        return schema["const"]
    if isinstance(allowed := schema.get("enum"), list) and allowed:
        return allowed[0]
    for word in ("anyOf", "oneOf"):
        if isinstance(choices := schema.get(word), list) and choices:
            rest = {key: value for key, value in schema.items() if key != word}
            first = next((each for each in choices if isinstance(each, Mapping) and each.get("type") != "null"), choices[0])
            return _value(_merged(rest, first) if isinstance(first, Mapping) else rest, run, depth + 1)
    match _type(schema):
        case "object":
            return _object(schema, run, depth)
        case "array":
            return _array(schema, run, depth)
        case "integer" | "number" as kind:
            return _number(schema, whole=kind == "integer")
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return _string(schema, run.text)


def _resolved(schema: Mapping[str, Any], run: _Run, depth: int) -> Mapping[str, Any]:
    """The schema with its reference followed and its `allOf` folded in."""
    for _ in range(MAX_DEPTH):
        run.values_left -= 1
        if run.values_left < 0:
            break
        if isinstance(reference := schema.get("$ref"), str):
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = _merged(_looked_up(reference, run.root), rest)
        elif isinstance(parts := schema.get("allOf"), list):
            schema = {key: value for key, value in schema.items() if key != "allOf"}
            for part in parts:
                if isinstance(part, Mapping) and depth < MAX_DEPTH:
                    schema = _merged(schema, _resolved(part, run, depth + 1))
        else:
            break
    return schema


def _looked_up(reference: str, root: object) -> Mapping[str, Any]:
    """What `#/$defs/x` names; nothing outside the schema is ever fetched."""
    found: object = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        key = step.replace("~1", "/").replace("~0", "~")
        if key and isinstance(found, Mapping):
            found = found.get(key)
    return found if isinstance(found, Mapping) else {}


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**one, **other}
    if isinstance(a := one.get("properties"), Mapping) and isinstance(b := other.get("properties"), Mapping):
        merged["properties"] = {**a, **b}
    if isinstance(c := one.get("required"), list) and isinstance(d := other.get("required"), list):
        merged["required"] = list(dict.fromkeys([*c, *d]))
    return merged


def _type(schema: Mapping[str, Any]) -> str:
    declared = schema.get("type")
    if isinstance(declared, list):
        return next((str(each) for each in declared if each != "null"), "null")
    if isinstance(declared, str):
        return declared
    if "properties" in schema or "required" in schema:
        return "object"
    if "items" in schema or "prefixItems" in schema:
        return "array"
    return "number" if "minimum" in schema or "maximum" in schema else "string"


def _object(schema: Mapping[str, Any], run: _Run, depth: int) -> dict[str, Any]:
    known = schema.get("properties")
    properties: Mapping[str, Any] = known if isinstance(known, Mapping) else {}
    required = schema.get("required")
    # At the top even an optional field is given, or an answer would be as empty as the schema allows.
    names = required if isinstance(required, list) else list(properties) if depth == 0 else []
    return {str(name): _value(properties.get(name, True), run, depth + 1) for name in names}


def _array(schema: Mapping[str, Any], run: _Run, depth: int) -> list[Any]:
    prefix = schema.get("prefixItems")
    items = [_value(each, run, depth + 1) for each in prefix] if isinstance(prefix, list) else []
    least, most = _bound(schema, "minItems", 0), _bound(schema, "maxItems", 1_000)
    wanted = min(max(least, len(items), min(1, most) if depth < MAX_DEPTH // 2 else 0), 1_000)
    each = schema.get("items", True)
    choices = each.get("enum") if isinstance(each, Mapping) else None
    for index in range(len(items), wanted):
        if run.values_left < 0:
            break
        if schema.get("uniqueItems") and isinstance(choices, list) and index < len(choices):
            items.append(choices[index])
            continue
        value = _value(each, run, depth + 1)
        if schema.get("uniqueItems") and index and isinstance(value, str | int | float):
            value = f"{value} {index + 1}" if isinstance(value, str) else value + index
        items.append(value)
    return items


def _number(schema: Mapping[str, Any], *, whole: bool) -> int | float:
    low, above = _limit(schema, "minimum", "exclusiveMinimum")
    high, below = _limit(schema, "maximum", "exclusiveMaximum")
    step = schema.get("multipleOf")
    if isinstance(step, int | float) and step > 0:
        times = math.floor(low / step) + 1 if low is not None and above else math.ceil((low or 0) / step)
        value: int | float = times * step
    elif whole:
        value = 0 if low is None else math.floor(low) + 1 if above else math.ceil(low)
        if low is None and high is not None and high <= 0:
            value = math.ceil(high) - 1 if below else math.floor(high)
    elif low is not None and high is not None:
        value = (low + high) / 2
    elif low is not None:
        value = low + 1 if above else low
    else:
        value = 0 if high is None or high > 0 else high - 1
    return int(value) if float(value).is_integer() else value


def _limit(schema: Mapping[str, Any], inclusive: str, exclusive: str) -> tuple[int | float | None, bool]:
    """A bound, and whether the bound itself is left out."""
    for name in (exclusive, inclusive):
        if isinstance(bound := schema.get(name), int | float) and not isinstance(bound, bool):
            return bound, name == exclusive
    return None, False


def _string(schema: Mapping[str, Any], text: str) -> str:
    if (given := _FORMATS.get(str(schema.get("format")))) is not None:
        return given
    least, most = _bound(schema, "minLength", 0), _bound(schema, "maxLength", 10_000)
    return text.ljust(min(least, 10_000), ".")[: max(most, 0)]


def _bound(schema: Mapping[str, Any], name: str, default: int) -> int:
    value = schema.get(name)
    return value if isinstance(value, int) else default
