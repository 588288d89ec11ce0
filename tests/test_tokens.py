"""Tokens: near what large vocabularies count, bounded above, and cheap."""

from base64 import b64encode
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmflow.tokens import SCRIPTS, bound_tokens, estimate_tokens

# A text, and its tokens in the vocabularies of GPT-4 (100k entries) and GPT-4o (200k), as tiktoken counts them.
COUNTED = {
    "English": (
        "Light from the sun reaches the atmosphere and is scattered in all directions by all the gases and particles in the air. "
        "Blue light is scattered more than the other colors because it travels as shorter, smaller waves.",
        41,
        41,
    ),
    "chat": ("hi, can you help me write an email to my boss? i'm sick today and can't come in. thanks!!", 25, 23),
    "capitals": ("THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG AND RUNS AWAY FROM THE HUNTERS.", 25, 24),
    "Python": (
        'def least(*values: float | None) -> float | None:\n    """The smallest of the values that are given."""\n'
        "    return min((value for value in values if value is not None), default=None)\n",
        43,
        43,
    ),
    "numbers": ("480213 77 1024 96.5 3.14159 2026 65536 12 8 1000000", 30, 30),
    "Russian": (
        "Солнечный свет достигает атмосферы Земли и рассеивается во всех направлениях газами и частицами воздуха. "
        "Синий свет рассеивается сильнее других цветов",
        66,
        37,
    ),
    "German": (
        "Das Sonnenlicht erreicht die Erdatmosphäre und wird von den Gasen und Teilchen der Luft in alle Richtungen gestreut. "
        "Blaues Licht wird stärker gestreut als die anderen Farben, weil",
        49,
        42,
    ),
    "Chinese": (
        "阳光到达地球大气层后，会被空气中的气体和微粒向各个方向散射。蓝光比其他颜色的光散射得更厉害，因为它的波长较短。"
        "这就是为什么我们大多数时候看到的天空是蓝色的。",
        104,
        61,
    ),
    "Japanese": (
        "太陽の光は地球の大気に届くと、空気中の気体や粒子によってあらゆる方向に散乱されます。"
        "青い光は波長が短いため、ほかの色よりも強く散乱されます。だから、空はたいてい青く見えるのです。",
        101,
        75,
    ),
    "Korean": (
        "햇빛은 지구의 대기에 도달하면 공기 중의 기체와 입자에 의해 모든 방향으로 흩어집니다. "
        "파란빛은 파장이 짧아서 다른 색보다 더 많이 흩어집니다. 그래서 하늘은 대부분 파랗게 보입니다.",
        100,
        64,
    ),
    "Arabic": (
        "يصل ضوء الشمس إلى الغلاف الجوي للأرض ويتشتت في جميع الاتجاهات بفعل الغازات والجسيمات الموجودة في الهواء. ويتشت",
        76,
        33,
    ),
    "Hindi": (
        "सूर्य का प्रकाश पृथ्वी के वायुमंडल में पहुँचता है और हवा में मौजूद गैसों और कणों द्वारा सभी दिशाओं में बिखर जाता है। नील",
        122,
        41,
    ),
    "base64": (b64encode(Random(1).randbytes(800)).decode(), 767, 730),
}


@pytest.mark.parametrize("name", COUNTED)
def test_the_estimate_lies_near_both_vocabularies_and_the_bound_above(name: str) -> None:
    text, small, large = COUNTED[name]
    assert 0.75 * large <= estimate_tokens(text) <= 1.25 * small
    assert max(small, large) <= bound_tokens(text) <= 2.6 * max(small, large)


def test_only_an_empty_text_has_no_tokens() -> None:
    assert (estimate_tokens(""), bound_tokens("")) == (0, 0)
    assert estimate_tokens(" ") == 1


def test_every_character_is_of_one_script() -> None:
    leads = [byte for script in SCRIPTS for byte in script.lead_bytes]
    assert sorted(leads) == [*range(0x80), *range(0xC2, 0xF5)]


@given(st.text())
def test_the_bound_is_never_below_the_estimate(text: str) -> None:
    assert bool(text) <= estimate_tokens(text) <= bound_tokens(text)


@given(st.text(), st.text())
def test_more_text_has_no_fewer_tokens(text: str, more: str) -> None:
    assert bound_tokens(f"{text} {more}") >= bound_tokens(text)


def test_a_lone_surrogate_is_counted_and_not_refused() -> None:
    assert estimate_tokens("\ud800") >= 1
