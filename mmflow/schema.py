"""The vocabulary as data: fields, types, defaults and documentation of every kind and word, from the classes that run."""

import re
from collections.abc import Mapping
from inspect import cleandoc
from typing import Literal

import attrs
import msgspec

import mmflow
from mmflow.check.due import due
from mmflow.check.kinds import (
    KINDS,
    TARGET_KINDS,
    Condition,
    ErrorName,
    Kind,
    Labels,
    OnInvalid,
    PickName,
    Reading,
    RequestField,
    Target,
)
from mmflow.options import (
    Either,
    Field,
    FieldType,
    ListOf,
    MapOf,
    OneWord,
    Pattern,
    RecordOf,
    Reference,
    Scalar,
    fields_of,
)
from mmflow.plugin import ClassifierWord, PickWord, ScorerWord, Word
from mmflow.registry import KINDS as WORD_KINDS
from mmflow.registry import USE, Registry
from mmflow.units import UNITS, text_of
from mmflow.vocabulary import WordKind


class Type(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a field takes.

    `type` is `string`, `bool`, `int`, `number`, a unit (`duration`, `tokens`, `price`, …), `secret`, `file`, `pattern`, `name`,
    a form of its own (`condition`, `labels`, `target`, …), or one of those that say more: `word` (one of `words`),
    `reference` (the name of a block of one of `kinds`), `list` and `map` (of `item`; a map has free names), `record` (of
    `fields`), `either` (of `types`, the first that fits). `text` says it in words, `examples` are as a file has them, `units`
    is what stands beside the number. A record inside itself is named by `name` and has no `fields` again.
    """

    type: str
    text: str
    examples: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    item: "Type | None" = None
    name: str | None = None
    fields: "dict[str, FieldSchema] | None" = None
    types: "tuple[Type, ...]" = ()


class FieldSchema(msgspec.Struct, frozen=True, kw_only=True):
    """A field. `default` is as a file has it, None where there is none; `env` names the variable that stands in for it."""

    doc: str
    type: Type
    required: bool
    default: str | None
    env: str | None


class Using(msgspec.Struct, frozen=True, kw_only=True):
    """What `using` names in a block: a word of `words[kind]`. Without it the word is `default`, or the block's own name."""

    kind: str
    required: bool
    default: str | None = None


class KindSchema(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of block. `arms` says of what sort its arms are, `is_target` whether an arm may lead to it."""

    doc: str
    arms: str
    is_target: bool
    using: Using | None
    fields: dict[str, FieldSchema]


class WordSchema(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A word of a plugin, and how it is used. `scale` is that of a scorer, `pure` the promise of a classifier."""

    doc: str
    use: str
    plugin: str
    distribution: str
    version: str
    fields: dict[str, FieldSchema]
    scale: str | None = None
    pure: bool | None = None


class BrokenSchema(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin that is set aside, why, and what to do."""

    plugin: str
    distribution: str
    version: str
    problem: str
    help: str | None
    where: str | None


class Schema(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a file may say here. `words` are by kind of word, then as a file writes them."""

    schema: Literal[1] = 1
    mmflow: str
    kinds: dict[str, KindSchema]
    words: dict[str, dict[str, WordSchema]]
    broken: tuple[BrokenSchema, ...]


def schema_of(registry: Registry, kinds: Mapping[str, Kind] = KINDS) -> Schema:
    """The schema of the language with the words of a registry; imports every plugin."""
    plugins = registry.plugins()
    broken = tuple(
        BrokenSchema(
            plugin=each.name,
            distribution=each.distribution,
            version=each.version,
            problem=each.problem,
            help=each.help,
            where=each.where,
        )
        for each in plugins
        if each.problem
    )
    described: dict[str, dict[str, WordSchema]] = {
        kind: {path: _word(kind, path, registry) for path in registry.known(kind)} for kind in WORD_KINDS
    }
    return Schema(
        mmflow=mmflow.__version__, kinds={name: _kind(kind) for name, kind in kinds.items()}, words=described, broken=broken
    )


def _kind(kind: Kind) -> KindSchema:
    using = None if kind.word is None else Using(kind=kind.word, required=kind.word_required, default=kind.default_word)
    return KindSchema(
        doc=doc_of(kind.fields), arms=kind.arms, is_target=kind.name in TARGET_KINDS, using=using, fields=_fields(kind.fields)
    )


def _word(kind: WordKind, path: str, registry: Registry) -> WordSchema:
    word, origin = registry.find(kind, path), registry.origin(kind, path)
    return WordSchema(
        doc=doc_of_word(word),
        use=USE[kind].format(path),
        plugin=origin.name,
        distribution=origin.distribution,
        version=origin.version,
        fields={} if isinstance(word, PickWord) else _fields(word.options),
        scale=word.scale if isinstance(word, ScorerWord) else None,
        pure=word.pure if isinstance(word, ClassifierWord) else None,
    )


def doc_of(cls: type) -> str:
    """What a class of fields says of itself; empty where it says nothing."""
    return cleandoc(cls.__doc__ or "")


def doc_of_word(word: Word) -> str:
    """What a word says of itself."""
    return word.doc if isinstance(word, PickWord) else doc_of(word.options)


# ---- fields -----------------------------------------------------------------------------------------------------------------


def _fields(cls: type, within: tuple[type, ...] = ()) -> dict[str, FieldSchema]:
    return {
        field.name: FieldSchema(
            doc=field.doc,
            type=_type(field.type, (*within, cls)),
            required=field.required,
            default=default_of(field),
            env=field.env,
        )
        for field in fields_of(cls)
    }


def _type(type_: FieldType, within: tuple[type, ...] = ()) -> Type:
    text = due(type_)
    match type_:
        case Scalar(type=scalar) if issubclass(scalar, Reference):
            return Type(type="reference", text=text, kinds=scalar.kinds)
        case Scalar(type=scalar):
            return Type(type=type_name(scalar), text=text, examples=_examples(text), units=UNITS.get(scalar, ()))
        case OneWord(words=words):
            return Type(type="word", text=text, words=words)
        case ListOf(item=item):
            return Type(type="list", text=text, item=_type(item, within))
        case MapOf(value=value):
            return Type(type="map", text=text, item=_type(value, within))
        case RecordOf(options=cls):
            inside = None if cls in within else _fields(cls, within)
            return Type(type="record", text=text, name=cls.__name__, fields=inside)
        case Either(types=types):
            return Type(type="either", text=text, types=tuple(_type(each, within) for each in types))


_NAMES: dict[type, str] = {str: "string", float: "number", ErrorName: "error_class", PickName: "pick"}


def type_name(scalar: type) -> str:
    """What a type of one value is called: `duration`, `string`, `error_class`."""
    return _NAMES.get(scalar) or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", scalar.__name__).lower()


def _examples(text: str) -> tuple[str, ...]:
    """The examples in a text that says what is due."""
    return tuple(re.findall(r"`([^`]+)`", text))


# ---- defaults ---------------------------------------------------------------------------------------------------------------


def default_of(field: Field) -> str | None:
    """A field's default as a file has it; None where it has none, or one that is made anew each time."""
    if field.required or field.default is None or isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]
        return None
    types = field.type.types if isinstance(field.type, Either) else (field.type,)
    words = [word for each in types if isinstance(each, OneWord) for word in each.words]
    return field.default if isinstance(field.default, str) and field.default in words else written(field.default)


def written(value: object) -> str:
    """A typed value as a file has it."""
    match value:
        case tuple() | list():
            return f"[{', '.join(map(written, value))}]"
        case Mapping():
            return "{ " + ", ".join(f"{name} = {written(each)}" for name, each in value.items()) + " }"
        case Labels(names=names, ordered=ordered):
            return " < ".join(names) if ordered else f"[{', '.join(names)}]"
        case Condition(text=text):
            return text
        case RequestField(name=name):
            return f'request.meta("{name[5:]}")' if name.startswith("meta.") else f"request.{name}"
        case Reading(turns=turns, count=count):
            return f"{turns}({count})" if turns == "last_user" else turns
        case ErrorName(name=name) | Target(name=name) | PickName(word=name):
            return name
        case OnInvalid(retry_times=times):
            return f"retry({times})" if times else "fail"
        case Pattern():
            return f'"{value}"'
        case str() if type(value) is str:
            return _string(value)
        case _:
            return text_of(value)


def _string(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
