"""Patterns: what is found, and what is said of one that cannot be used."""

import pytest

from mmflow.patterns import PatternError, compile_pattern, literal


def test_a_match_is_told_in_characters_not_bytes():
    assert compile_pattern("bün").search("ab – bündig") == (5, 8)


def test_no_match_is_none():
    pattern = compile_pattern("x")
    assert pattern.search("abc") is None
    assert not pattern.matches("abc")


def test_case_is_ignored_where_asked_beyond_ascii_too():
    assert compile_pattern("übung", ignore_case=True).matches("Die ÜBUNG")
    assert not compile_pattern("übung").matches("Die ÜBUNG")


def test_all_matches_come_left_to_right_whole_even_with_groups():
    assert list(compile_pattern("a(b|c)").find_all("ab-ac-ad")) == ["ab", "ac"]


def test_text_that_is_not_valid_unicode_can_be_searched():
    assert compile_pattern("b").matches("a\ud800b")


def test_a_pattern_that_ruins_other_engines_is_linear_here():
    assert not compile_pattern("(a+)+$").matches("a" * 200_000 + "b")


@pytest.mark.parametrize(
    ("pattern", "says", "helps"),
    [
        ("c++", "repeats a repetition", "write `c[+][+]`"),
        (r"(a)\1", r"refers back with `\1`", "write the repeated part out"),
        (r"(?P<n>a)(?P=n)", "refers back", "write the repeated part out"),
        ("foo(?=bar)", "looks around with `(?=`", "match the text before or after it too"),
        ("(?<!a)b", "looks around with `(?<!`", "match the text before or after it too"),
        ("(?>a)", "uses `(?>`", "write `(?:…)` for a group"),
        ("f(", "has a `(` that is not closed", "write `f[(]`"),
        ("*", "nothing to repeat", "write `[*]`"),
        (r"end\Z", r"`\Z`, which is no escape", r"`\z`"),
        ("[z-a]", "no range or class", "`[a-z]`"),
        ("a{2000}", "repeats too often", "1000"),
        (r"(((\pL{100}){5}){2})", "too large", "repeat less"),
        ("x" * 20_000, "20000 bytes", "split it"),
        ("\ud800", "surrogate", "write the character itself"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_explained(pattern, says, helps, capfd):
    with pytest.raises(PatternError) as caught:
        compile_pattern(pattern)
    assert says in caught.value.message
    assert caught.value.help is not None
    assert helps in caught.value.help
    assert str(caught.value) == caught.value.message
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("text", ["c++", "a.b^c\\d", "[x]{2}|$", "(?:)*"])
def test_the_literal_form_finds_the_text_and_nothing_else(text):
    pattern = compile_pattern(f"^{literal(text)}$")
    assert pattern.matches(text)
    assert not pattern.matches(text + "x")
