"""Server-sent events: every line end, every cut."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmflow.plugin import CallError, ServerEvent
from mmflow.runtime.sse import EventParser


def parse(data: bytes, *sizes: int) -> list[ServerEvent]:
    """The events of a stream that comes in chunks of these sizes, over and over."""
    parser, events, at, turn = EventParser(), [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)] if sizes else len(data)
        events += parser.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    return events + parser.finish()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_ends_a_line(end: str) -> None:
    text = f"data: one{end}{end}event: named{end}data: two{end}{end}"
    assert parse(text.encode()) == [ServerEvent("one"), ServerEvent("two", "named")]


def test_line_ends_may_be_mixed_within_a_stream() -> None:
    assert parse(b"data: a\r\n\ndata: b\r\rdata: c\n\r\n") == [ServerEvent("a"), ServerEvent("b"), ServerEvent("c")]


def test_the_space_after_the_colon_may_be_missing_and_only_one_is_taken() -> None:
    assert parse(b"data:tight\n\ndata:  loose\n\n") == [ServerEvent("tight"), ServerEvent(" loose")]


def test_lines_of_data_are_joined_by_newlines() -> None:
    assert parse(b"data: one\ndata\ndata: three\n\n") == [ServerEvent("one\n\nthree")]


def test_comments_other_fields_and_events_without_data_give_nothing() -> None:
    assert parse(b": ping\n\nid: 7\nretry: 10\nevent: idle\n\ndata: x\n\n") == [ServerEvent("x")]


def test_a_byte_order_mark_at_the_start_is_skipped() -> None:
    assert parse(b"\xef\xbb\xbfdata: x\n\n", 1) == [ServerEvent("x")]


def test_a_character_cut_in_two_is_put_together() -> None:
    assert parse("data: 🙂世\n\n".encode(), 1) == [ServerEvent("🙂世")]


def test_a_byte_that_is_not_utf_8_does_not_stop_the_stream() -> None:
    assert parse(b"data: \xff\n\ndata: x\n\n") == [ServerEvent("\ufffd"), ServerEvent("x")]


def test_the_last_event_may_lack_its_blank_line() -> None:
    assert parse(b"data: [DONE]") == parse(b"data: [DONE]\n") == parse(b"data: [DONE]\r") == [ServerEvent("[DONE]")]


def test_a_carriage_return_ends_an_event_at_once() -> None:
    parser = EventParser()
    assert parser.feed(b"data: x\r\r") == [ServerEvent("x")]
    assert parser.feed(b"\ndata: y\r\n\r") == [ServerEvent("y")]


def test_a_line_of_a_megabyte_is_read() -> None:
    line = b"x" * 1_000_000
    assert parse(b"data: " + line + b"\n\n", 4096) == [ServerEvent(line.decode())]


@pytest.mark.parametrize("stream", [b"data: " + b"x" * 200, b"data: 1234567\n" * 20, b":" + b"x" * 200])
def test_an_event_over_the_limit_is_an_error(stream: bytes) -> None:
    parser = EventParser(limit_bytes=100)
    with pytest.raises(CallError) as caught:
        [parser.feed(stream[at : at + 10]) for at in range(0, len(stream), 10)]
    assert caught.value.error_class == "protocol"


def test_the_limit_is_of_one_event_and_not_of_the_stream() -> None:
    parser = EventParser(limit_bytes=100)
    assert len(parser.feed(b"data: 1234567890\n\n" * 100)) == 100
    assert [parser.feed(b": a comment that nobody keeps\n") for _ in range(100)] == [[]] * 100


_line = st.one_of(
    st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])).map(lambda text: f"data: {text}"),
    st.sampled_from(["", "", ":", ": ping", "event: x", "data", "data:", "datax: y", "id: 1", "\ufeffdata: b"]),
)


@given(st.lists(st.tuples(_line, st.sampled_from(["\n", "\r\n", "\r"]))), st.integers())
def test_however_a_stream_is_cut_the_events_are_the_same(lines: list[tuple[str, str]], seed: int) -> None:
    data = "".join(line + end for line, end in lines).encode()
    sizes = [random.Random(seed + at).choice((1, 1, 2, 3, 7, 50)) for at in range(20)]
    # A lone CR before a lone LF is one line end, as anywhere; so the whole, parsed at once, is what each cut must give.
    assert parse(data, *sizes) == parse(data, 1) == parse(data)
