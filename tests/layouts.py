"""Random sound files, in layouts that nobody would choose."""

from collections.abc import Callable
from random import Random

_NAMES = ["a", "task", "low", "request", "models", "x_1", "deadline", "a_name_that_takes_up_quite_some_of_the_line_it_is_on"]
_KEYWORDS = ["in", "with", "and", "or", "matches", "when", "using", "like", "as", "use"]
_QUANTITIES = ["1", "0.85", "-5", "$0.10/1M", "20s", "10%", "500/min", "1h30m", "4"]
_STRINGS = ['""', '"a b"', r'"\"x\""', r'"\d{4}"', '"# no comment"', '"{,}"', '"' + "long " * 12 + '"']
_TEXTS = [
    '"""one line"""',
    '""""""',
    '"""\n  Two {{ request.language }}\n    lines\n  """',
    '"""\n\tA tab\n  and none\n\n"""',
    '"""begins at once\n      and goes on"""',
    '"""\n\n\n    late   \n  # not a comment\n     """',
    '"""\n      "quoted" \\""" \\\\ and ""\n"""',
    '"""   \n   ends at once"""',
    '"""\n   \n\t\n"""',
]
_OPERATORS = ["==", "!=", "<", "<=", ">", ">=", "in", "not in", "matches"]


class Author:
    """Writes one file. `leading` starts lines with operators, which the language forbids and the formatter repairs."""

    def __init__(self, seed: int, *, leading: bool = False) -> None:
        self._random = Random(seed)
        self._leading = leading
        self._comments = 0
        self._depth = 0

    def file(self) -> str:
        before = self._lines() if self._chance(0.2) else ""
        tops = [self._top() for _ in range(self._random.randint(0, 5))]
        text = before + self._join(["mmflow", "1"]) + "".join(self._separator() + each for each in tops)
        end = self._random.choice(["", "\n", "\n\n", " ", "  # the end", self._lines()])
        text += end
        return text.replace("\n", "\r\n") if self._chance(0.15) else text

    # ---- layout

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _pick(self, choices: list[str]) -> str:
        return self._random.choice(choices)

    def _space(self) -> str:
        return self._pick([" ", " ", " ", "   ", "\t", " \f "])

    def _thin(self) -> str:
        return self._pick(["", "", " ", "  ", "\t"])

    def _comment(self) -> str:
        self._comments += 1
        return self._pick(["# ", "## ", "#", "###"]) + self._pick(['say """ ', "", "{ [ ", '"']) + str(self._comments)

    def _lines(self) -> str:
        """One line end or more."""
        text = ""
        for _ in range(self._pick_count()):
            text += self._thin() + (self._comment() if self._chance(0.3) else "") + "\n"
        return text + self._thin()

    def _pick_count(self) -> int:
        return self._random.choice([1, 1, 1, 2, 3, 4])

    def _maybe_lines(self) -> str:
        return self._lines() if self._chance(0.2) else self._thin()

    def _separator(self) -> str:
        parts = [self._pick([",", "\n"]) for _ in range(self._random.choice([1, 1, 1, 2, 3]))]
        return "".join(self._thin() + ("," if part == "," else self._lines()) for part in parts) + self._thin()

    def _join(self, parts: list[str]) -> str:
        return self._space().join(parts)

    def _operator(self, sign: str) -> str:
        """An operator and the space around it, with a line end where it may have one, or where it may not."""
        leads = self._leading and sign != "not in" and self._chance(0.3)
        before = self._lines() if leads else self._space()
        after = self._lines() if sign in ("and", "or") and self._chance(0.2) else self._space()
        return before + sign + after

    def _name(self) -> str:
        return self._pick(_KEYWORDS if self._chance(0.02) and not self._leading else _NAMES)

    # ---- structure

    def _top(self) -> str:
        kind = self._random.randrange(8)
        if kind == 0:
            words = ["use", self._path()]
            words[-1] += self._thin() + "@" + self._thin() + "2" if self._chance(0.5) else ""
            return self._join([*words, *(["as", "j"] if self._chance(0.5) else [])])
        if kind == 1:
            return self._join(["import", '"a.mmf"', "as", "other"])
        if kind == 2:
            return self._join([self._pick(["let", "param"]), "x"]) + self._thin() + "=" + self._thin() + self._value()
        return self._block() if kind < 7 else self._item()

    def _path(self) -> str:
        return (self._thin() + "." + self._thin()).join(self._name() for _ in range(self._random.randint(1, 3)))

    def _block(self) -> str:
        words = [self._pick(["flow", "model", "test"])]
        if self._chance(0.8):
            words.append(self._pick(['"a test"', "main"]))
        if self._chance(0.2):
            words += ["using", self._path()]
        if self._chance(0.2):
            words += ["like", self._path()]
        return self._join([*words, ""]).rstrip(" \t\f") + self._thin() + self._body()

    def _body(self) -> str:
        return self._nested(self._body_inside)

    def _body_inside(self) -> str:
        items = [self._item() for _ in range(self._random.choice([0, 1, 2, 3]) if self._depth < 4 else 0)]
        text = items[0] if items else ""
        for each in items[1:]:
            text += self._separator() + each
        edge = self._separator if self._chance(0.3) else self._thin
        return "{" + edge() + text + (self._separator() if self._chance(0.3) else self._thin()) + "}"

    def _item(self) -> str:
        arrow = self._operator("->")
        match self._random.randrange(6):
            case 0:
                return self._join(["when", self._value()]) + arrow + self._value()
            case 1:
                return "else" + arrow + self._value()
            case 2:
                return "10%" + arrow + self._value()
            case 3:
                return self._block()
            case _:
                return self._name() + self._thin() + "=" + self._thin() + self._value()

    def _value(self) -> str:
        return self._nested(lambda: self._chain(["or"], lambda: self._chain(["and"], self._not)))

    def _chain(self, signs: list[str], operand: Callable[[], str], share: float = 0.2) -> str:
        text = operand()
        while self._chance(share):
            text += self._operator(self._pick(signs)) + operand()
        return text

    def _not(self) -> str:
        return ("not" + self._space() if self._chance(0.05) else "") + self._chain(_OPERATORS, self._target)

    def _target(self) -> str:
        text = self._atom()
        while self._chance(0.2):
            if self._chance(0.5):
                text += (self._lines() if self._leading else self._space()) + "." + self._thin() + self._name()
            else:
                text += self._thin() + self._arguments()
        while self._chance(0.06):
            text += self._operator("with") + self._body()
        return text

    def _arguments(self) -> str:
        def argument() -> str:
            named = self._name() + self._thin() + "=" + self._thin() if self._chance(0.4) else ""
            return named + self._value()

        return self._elements("(", argument, ")")

    def _elements(self, opener: str, element: Callable[[], str], closer: str) -> str:
        elements = [element() for _ in range(self._random.choice([0, 1, 2, 3, 5]) if self._depth < 4 else 0)]
        text = opener + self._maybe_lines()
        for index, each in enumerate(elements):
            is_last = index == len(elements) - 1
            text += each + self._maybe_lines()
            text += "," + self._maybe_lines() if not is_last or self._chance(0.4) else ""
        return text + closer

    def _atom(self) -> str:
        match self._random.randrange(12 if self._depth < 5 else 8):
            case 0:
                return self._pick(_QUANTITIES)
            case 1:
                return self._pick(_STRINGS)
            case 2:
                return self._pick(_TEXTS)
            case 3:
                return self._pick(["true", "false"])
            case 8:
                return "(" + self._maybe_lines() + self._value() + self._maybe_lines() + ")"
            case 9 | 10:
                return self._nested(lambda: self._elements("[", self._value, "]"))
            case 11:
                return self._body()
            case _:
                return self._name()

    def _nested(self, write: Callable[[], str]) -> str:
        self._depth += 1
        text = write()
        self._depth -= 1
        return text
