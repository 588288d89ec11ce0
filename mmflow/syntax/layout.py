"""Lines and indentation of tokens, which tell what was meant where the grammar cannot."""

from mmflow.syntax.lexer import Tokens, indent_of


class Layout:
    """The line of each token (`lines`, from 0) and the indentation of each line."""

    def __init__(self, tokens: Tokens) -> None:
        self._types = tokens.types
        self.lines: list[int] = []
        self._indents = [indent_of(tokens.text, 0)]
        text, line_end = tokens.text, tokens.text.find("\n")
        for start in tokens.starts:
            while -1 < line_end < start:
                self._indents.append(indent_of(text, line_end + 1))
                line_end = text.find("\n", line_end + 1)
            self.lines.append(len(self._indents) - 1)

    def indent(self, index: int) -> int:
        """The width of the white space before the line on which a token begins."""
        return self._indents[self.lines[index]]

    def is_first(self, index: int) -> bool:
        """Is the token the first of its line?"""
        return index == 0 or self._types[index - 1] == "_NL"

    def same_line(self, one: int, other: int) -> bool:
        return self.lines[one] == self.lines[other]
