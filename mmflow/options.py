"""Fields of the language as typed classes: one attrs class tells the checker, the editor and the plugin what a word accepts."""

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, TypeVar, Union, dataclass_transform, get_args, get_origin, get_type_hints

import attrs

from mmflow.units import Budget, Duration, Money, Price, Rate, Score, Share, StatusClass, Tokens

_T = TypeVar("_T")


class Secret:
    """A value that no text shows: `reveal()` is the only way to read it."""

    __slots__ = ("_value", "name")

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.name})"


class MissingSecret(Exception):
    """The environment variable that holds a secret is not set; `name` is the variable."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the environment variable {name} is not set")
        self.name = name


class File(str):
    """A path, made absolute against the folder of the workflow file."""

    due: ClassVar = 'a file such as `file("schemas/reply.json")`'


class Pattern(str):
    """A regular expression in RE2's syntax, which matches in linear time."""

    due: ClassVar = 'a pattern such as `"stack trace"`'


class Name(str):
    """A free word such as a region or a family: `eu`, or a string."""

    due: ClassVar = "a word such as `eu`"


class Written:
    """A value in a form of its own, which only the checker reads: a condition, an order of labels."""

    due: ClassVar = "a value"


class Reference(str):
    """The name of a declaration; subclasses say of which kinds."""

    kinds: ClassVar[tuple[str, ...]] = ()


class ProviderName(Reference):
    """The name of a declared provider, or of an installed plugin that is one."""

    kinds = ("provider",)


class ModelName(Reference):
    """The name of a declared model."""

    kinds = ("model",)


class ClassifierName(Reference):
    """The name of a `classify` block."""

    kinds = ("classify",)


class ScorerName(Reference):
    """The name of a `scorer` block."""

    kinds = ("scorer",)


class TargetName(Reference):
    """The name of anything that answers: a model, tier, route, cascade, fallback, split, experiment or strategy."""

    kinds = ("model", "tier", "route", "cascade", "fallback", "split", "experiment", "strategy")


class OptionError(ValueError):
    """A field whose value is of the right type but not allowed; `field` names it."""

    def __init__(self, field: str, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.field, self.message, self.help = field, message, help


@attrs.frozen
class Scalar:
    """One value of a Python type: a unit, `str`, `bool`, `int`, `float`, `Secret`, `File`, `Pattern`, a reference."""

    type: type


@attrs.frozen
class OneWord:
    """One of a fixed set of bare words."""

    words: tuple[str, ...]


@attrs.frozen
class ListOf:
    """A list `[a, b]` of one type."""

    item: "FieldType"


@attrs.frozen
class MapOf:
    """A record with free names: `{ code = [...], math = [...] }`."""

    value: "FieldType"


@attrs.frozen
class RecordOf:
    """A record whose fields are those of an options class."""

    options: type


@attrs.frozen
class Either:
    """Any of several types, tried in order."""

    types: "tuple[FieldType, ...]"


FieldType = Scalar | OneWord | ListOf | MapOf | RecordOf | Either


@attrs.frozen
class Field:
    """A field as the language sees it."""

    name: str
    type: FieldType
    doc: str
    required: bool
    default: object
    env: str | None
    replaced_by: str | None = None
    other_envs: tuple[str, ...] = ()
    """Variables that count where `env` is not set, the first that is."""


def option(
    default: Any = attrs.NOTHING,
    *,
    doc: str,
    env: str | tuple[str, ...] | None = None,
    check: Callable[[Any], None] | None = None,
    replaced_by: str | None = None,
) -> Any:
    """A field of an options class.

    `doc` is one sentence for the reference and the editor. `env` names the environment variable that gives the value
    where the file does not, or several, of which the first that is set counts. `check` gets the value and raises
    `ValueError` where it is not allowed. `replaced_by` names the field that takes the place of this one, which still
    counts but is warned of. The name in the language is the attribute's without a trailing underscore (`from_` is written
    `from`).
    """
    envs = (env,) if isinstance(env, str) else env or ()
    metadata = {"doc": doc, "envs": envs, "replaced_by": replaced_by}
    validator = None if check is None else (lambda _self, _attribute, value: value is None or check(value))
    return attrs.field(default=default, metadata=metadata, validator=validator, kw_only=True)


# `option` is no field specifier to type checkers: they would see its default only as a keyword.
@dataclass_transform(frozen_default=True, kw_only_default=True)
def options(cls: type[_T]) -> type[_T]:
    """Make a class of `option` fields a frozen attrs class."""
    return attrs.frozen(cls, slots=True)


def public_name(attribute: str) -> str:
    """The name in the language of an attribute of an options class."""
    return attribute.rstrip("_")


def _attributes(cls: Any) -> tuple["attrs.Attribute[Any]", ...]:
    return attrs.fields(cls)  # type: ignore[no-any-return]


@cache
def fields_of(cls: type) -> tuple[Field, ...]:
    """The fields of an options class in declaration order; `TypeError` on an annotation that the language has no type for."""
    hints = get_type_hints(cls)
    fields = []
    for attribute in _attributes(cls):
        type_, optional = _field_type(hints[attribute.name], f"{cls.__name__}.{attribute.name}")
        env, *others = attribute.metadata.get("envs") or (None,)
        required = attribute.default is attrs.NOTHING and env is None
        if required and optional:
            raise TypeError(f"{cls.__name__}.{attribute.name} may be None, so give it a default: `option(None, doc=…)`")
        default: Any = None if attribute.default is attrs.NOTHING else attribute.default
        doc = attribute.metadata.get("doc", "")
        replaced_by = attribute.metadata.get("replaced_by")
        fields.append(Field(public_name(attribute.name), type_, doc, required, default, env, replaced_by, tuple(others)))
    return tuple(fields)


_SCALARS: tuple[type, ...] = (str, bool, int, float, Duration, Money, Price, Share, Score, Tokens, Budget, Rate, StatusClass)
_SCALARS += (Secret, File, Pattern, Name)


def _field_type(hint: Any, where: str) -> tuple[FieldType, bool]:
    """The language's type of an annotation, and whether it may be absent."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        parts = [arg for arg in get_args(hint) if arg is not NoneType]
        types = tuple(_field_type(part, where)[0] for part in parts)
        return (types[0] if len(types) == 1 else Either(types)), len(parts) < len(get_args(hint))
    if origin is Literal:
        return OneWord(get_args(hint)), False
    if origin is tuple and len(get_args(hint)) == 2 and get_args(hint)[1] is Ellipsis:
        return ListOf(_field_type(get_args(hint)[0], where)[0]), False
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return MapOf(_field_type(get_args(hint)[1], where)[0]), False
    if isinstance(hint, type):
        if issubclass(hint, Written):
            return Scalar(hint), False
        if attrs.has(hint) and hint not in _SCALARS:
            return RecordOf(hint), False
        if hint in _SCALARS or issubclass(hint, Reference):
            return Scalar(hint), False
    raise TypeError(f"{where}: the language has no type for {hint!r}; use the types of mmflow.plugin")


@attrs.frozen
class Surroundings:
    """Where options are made: the folder that paths are relative to, and the environment that holds the secrets."""

    folder: Path
    environ: Mapping[str, str] = attrs.field(factory=lambda: os.environ, repr=False)


def build(cls: type[_T], values: Mapping[str, object], surroundings: Surroundings) -> _T:
    """An options object from a plan's plain values: seconds, micro-dollars, names of variables for secrets.

    Raises `MissingSecret` where a required secret is not set, `OptionError` where a value is refused.
    """
    arguments: dict[str, object] = {}
    whole: type = cls
    for attribute, field in zip(_attributes(whole), fields_of(whole), strict=True):
        if field.name in values:
            arguments[attribute.name] = _built(field.type, values[field.name], surroundings)
        elif field.env is not None:
            if env := next((each for each in (field.env, *field.other_envs) if surroundings.environ.get(each)), None):
                plain = env if field.type == Scalar(Secret) else surroundings.environ[env]
                arguments[attribute.name] = _built(field.type, plain, surroundings)
            elif attribute.default is attrs.NOTHING:
                raise MissingSecret(field.env)
    return construct(cls, arguments)


def construct(cls: type[_T], arguments: Mapping[str, object]) -> _T:
    """Call an options class with the values of its attributes; what it refuses becomes an `OptionError` that names the field."""
    try:
        return cls(**arguments)
    except OptionError:
        raise
    except ValueError as error:
        raise OptionError(_refused_field(cls, arguments), str(error)) from error


def construct_named(cls: type[_T], values: Mapping[str, object]) -> _T:
    """`construct` from values by their names in the language; names that the class does not have are left out."""
    named = {each.name: values.get(public_name(each.name)) for each in _attributes(cls)}
    return construct(cls, {name: value for name, value in named.items() if value is not None})


def _refused_field(cls: type, arguments: Mapping[str, object]) -> str:
    """Which field a class refused: the first whose own validator does."""
    for attribute in _attributes(cls):
        if attribute.validator is not None and attribute.name in arguments:
            try:
                attribute.validator(None, attribute, arguments[attribute.name])
            except ValueError:
                return public_name(attribute.name)
    return ""


def _built(type_: FieldType, value: Any, surroundings: Surroundings) -> object:
    match type_:
        case Scalar(type=scalar):
            if scalar is Secret:
                if (found := surroundings.environ.get(value)) is None or not found.strip():
                    raise MissingSecret(value)
                return Secret(value, found.strip())
            if scalar is File:
                return File(surroundings.folder / value)
            if scalar in (Budget, Rate):
                return scalar(*value)
            return scalar(value)
        case OneWord():
            return value
        case ListOf(item=item):
            return tuple(_built(item, each, surroundings) for each in value)
        case MapOf(value=of):
            return {name: _built(of, each, surroundings) for name, each in value.items()}
        case RecordOf(options=cls):
            return build(cls, value, surroundings)
        case Either(types=types):
            tag, plain = value
            return _built(types[tag], plain, surroundings)


def plain(type_: FieldType, value: Any) -> Any:
    """The inverse of `build` for one value: what the plan stores, JSON all through."""
    match type_:
        case Scalar(type=scalar):
            if scalar is Secret:
                return value.name
            if scalar in (Budget, Rate):
                return list(attrs.astuple(value))
            return next(base(value) for base in (bool, int, float, str) if issubclass(scalar, base))
        case OneWord():
            return value
        case ListOf(item=item):
            return [plain(item, each) for each in value]
        case MapOf(value=of):
            return {name: plain(of, each) for name, each in value.items()}
        case RecordOf(options=cls):
            return plain_record(cls, value)
        case Either(types=types):
            for tag, one in enumerate(types):
                if fits(one, value):
                    return [tag, plain(one, value)]
            raise TypeError(f"{value!r} is of none of {types}")


def plain_record(cls: type, values: Mapping[str, object] | Any) -> dict[str, Any]:
    """The plan's form of a record: only the fields that were written."""
    written = values if isinstance(values, Mapping) else attrs.asdict(values, recurse=False)
    return {f.name: plain(f.type, written[f.name]) for f in fields_of(cls) if written.get(f.name) is not None}


def fits(type_: FieldType, value: object) -> bool:
    """Whether a typed value is of a field's type."""
    match type_:
        case Scalar(type=scalar):
            return type(value) is scalar
        case OneWord(words=words):
            return type(value) is str and value in words
        case ListOf(item=item):
            return isinstance(value, tuple | list) and all(fits(item, each) for each in value)
        case MapOf(value=of):
            return isinstance(value, Mapping) and all(fits(of, each) for each in value.values())
        case RecordOf(options=cls):
            return isinstance(value, cls | Mapping)
        case Either(types=types):
            return any(fits(each, value) for each in types)
