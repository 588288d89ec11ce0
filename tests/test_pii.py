"""The bundled classifier of private data: what it finds, what it leaves alone, and that no text is too much for it."""

import asyncio
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmflow_plugins.classifiers import pii
from mmflow_plugins.private_data.text import ready

from mmflow.plugin import OptionError

LABELS = ("public", "internal", "confidential")

PRIVATE = """
card | My card 4111 1111 1111 1111 was declined
card | 4111111111111111
card | 4111-1111-1111-1111.
card | 4111.1111.1111.1111
card | 4111  1111  1111  1111
card | 4111 1111\\n1111 1111
card | 4111\\u00a01111\\u20111111\\u20131111
card | ４１１１１１１１１１１１１１１１
card | ٤١١١ ١١١١ ١١١١ ١١١١
card | 4\\u200b111 1111 1111 1111
card | 4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1
card | 41111111 11111111
card | order 12 4111 1111 1111 1111 12/29 123
card | 5555 5555 5555 4444
card | 2223003122003222
card | 3782 822463 10005
card | 371449635398431
card | 30569309025904
card | 3056 930902 5904
card | 6011 1111 1111 1117
card | 3530111333300000
card | 6200000000000005
card | 6759649826438453
card | card:4111111111111111,cvv:123
iban | DE89 3704 0044 0532 0130 00
iban | de89370400440532013000
iban | Please pay to GB29 NWBK 6016 1331 9268 19 by Friday
iban | FR14 2004 1010 0505 0001 3M02 606
iban | IBAN:NL91ABNA0417164300, thanks
iban | NO93 8601 1117 947
iban | MT84MALT011000012345MTLCAST001S
iban | AB12 cd DE89-3704-0044-0532-0130-00 and so on
iban | DE89 3704 0044\\n0532 0130 00
national_id | my SSN is 536-22-1234
national_id | 536 22 1234
national_id | Social Security Number: 536221234
national_id | SSN 536221234.
national_id | ITIN 912-70-1234
national_id | NINO AB 12 34 56 C
national_id | QQ is no prefix, but AA123456A is
national_id | Steuer-ID 86 095 742 719
national_id | 47036892816
national_id | 2 55 08 14 168 025 38
national_id | 180126955222380
national_id | DNI 12345678Z
national_id | 12345678-Z
national_id | NIE X1234567L
national_id | RSSMRA85T10A562S
national_id | rss mra 85t10 a562s
national_id | BSN: 111222333
national_id | 85.07.30-033.28
national_id | AHV 756.9217.0769.85
national_id | PESEL 44051401359
national_id | 811218-9876
national_id | 131052-308T
national_id | CPF 111.444.777-35
national_id | cpf: 11144477735
national_id | 11010519491231002X
national_id | 2341 2341 2346
national_id | SIN 046 454 286
passport | L898902C36UTO7408122F1204159ZE184226B<<<<<10
passport | Passport number: C01X00T47
passport | Reisepass Nr. C01X00T47
secret | AKIAIOSFODNN7EXAMPLE
secret | token ghp_0123456789abcdefghijABCDEFGHIJ012345
secret | sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWx
secret | sk-proj-AbCdEfGhIjKlMnOpQrStUvWx
secret | AIzaSyA1234567890abcdefghijklmnopqrstuv
secret | -----BEGIN RSA PRIVATE KEY-----
secret | -----BEGIN PRIVATE KEY-----
secret | postgres://app:s3cret@db.internal/prod
secret | eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U
secret | password = "hunter22x"
secret | my password is Tr0ub4dor&3
secret | API_KEY: abcd1234efgh5678
email | write to jane.doe+spam@example.co.uk please
email | <jane@example.com>
email | müller@bücher.example
email | 用户@例子.公司
email | JANE@EXAMPLE.COM
phone | call +1 415 555 2671
phone | +49 (0)30 1234567
phone | +33 1 42 68 53 00
phone | 0044 20 7946 0018
phone | (415) 555-2671
phone | 415-555-2671
phone | 415.555.2671
phone | 1-800-555-0199
phone | 020 7946 0018
phone | 07700 900123
phone | 07700900123
phone | 01 42 68 53 00
phone | 06.12.34.56.78
phone | 030 1234567
phone | 0171/1234567
phone | 13800138000
phone | Telefon: 1234567
phone | my phone number is 5551234567
phone | 我的电话：13912345678
phone | +919876543210
birth_date | date of birth: 1985-07-30
birth_date | I was born on July 30, 1985
birth_date | geboren am 30.07.1985
birth_date | né le 30 juillet 1985
birth_date | DOB 07/30/85
ip | from 203.0.113.7 today
ip | 192.168.1.10:8080
ip | 127.0.0.1 8.8.8.8.
ip | 2001:db8:85a3::8a2e:370:7334
ip | fe80::1
"""

HARMLESS = """
Where is my parcel?
The meeting is on 2024-11-24 at 10:30, room 4.
Order 4111 1111 1111 1112 was shipped
The number 1234567890123456 is a test
0.4111111111111111 and 3.14159265358979323846
ISBN 978-3-16-148410-0
550e8400-e29b-41d4-a716-446655440000
commit 4111111111111111aabbccddeeff00112233
4444 4444 4444 4444
DE89 3704 0044 0532 0130 01 has a wrong digit
GB is a country, and DE89 is none
SSN 000-12-3456, 666-12-3456, 123-00-4567, 536-22-0000
Zip codes 94103-1234 and 10001
GB 12 34 56 A
12345678A is not the letter of that number
timestamp 1700000000000, id 1700000000
version 1.2.3, v1.2.3.4 and 10.2, object 1.3.6.1.5.5
It costs $1,234,567.89 or 1.234.567,89 €
2 + 2 = 4, 100-200-300
127.0.0.1 and 0.0.0.0
std::vector<int> a::b 12:34:56
git@github.com:org/repo.git
logo@2x.png, pkg@1.2.3
@jane wrote to #42
please reset my password
Your password must be at least 12 characters
born to run, born in the USA
passport control is over there
sk-learn and task-force-one
The year 1985 and the years 1985-1990
x = 123456789012 * 987654321098
1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
"""


def unescaped(text):
    return text.replace("\\n", "\n").encode("ascii", "backslashreplace").decode("unicode_escape")


def cases(table):
    return [tuple(part.strip() for part in line.split(" | ", 1)) for line in table.strip().splitlines()]


def classifier(finds=None, labels=LABELS):
    return pii.Pii(pii.PiiOptions(finds=finds), labels)


async def never(*args, **kwargs):
    raise AssertionError("this classifier asks no model")


def guess(classifier, text):
    return asyncio.run(classifier.classify(text, never))


@pytest.mark.parametrize(("detector", "text"), cases(PRIVATE))
def test_private_data_is_found_by_its_detector(detector, text):
    found = guess(classifier({"private": (detector,)}, ("public", "private")), unescaped(text))
    assert (found.label, found.confidence) == ("private", pii.DETECTORS[detector].confidence)


@pytest.mark.parametrize("detector", pii.DETECTORS)
@pytest.mark.parametrize("text", HARMLESS.strip().splitlines())
def test_what_only_looks_like_private_data_is_left_alone(detector, text):
    assert not pii.DETECTORS[detector].found_in(ready(text))


def test_the_highest_label_of_which_something_is_found_wins():
    usual = classifier()
    assert guess(usual, "Where is my parcel?") == pii.Guess("public", 0.9)
    assert guess(usual, "mail jane@example.com") == pii.Guess("internal", 0.99)
    assert guess(usual, "mail jane@example.com about 4111 1111 1111 1111") == pii.Guess("confidential", 0.99)
    other = classifier({"b": ("email", "phone"), "c": ("email",)}, ("a", "b", "c"))
    assert guess(other, "mail jane@example.com").label == "c"
    assert guess(other, "call +1 415 555 2671").label == "b"


def test_what_is_not_asked_for_is_not_found():
    assert guess(classifier({"confidential": ("iban",)}), "4111 1111 1111 1111").label == "public"


@pytest.mark.parametrize(
    ("finds", "labels", "says"),
    [
        (None, ("low", "high"), "`finds` is missing"),
        (None, ("confidential", "internal", "public"), "`finds` is missing"),
        ({}, LABELS, "nothing to find"),
        ({"public": ("email",)}, LABELS, "`public` is the lowest label"),
        ({"secret": ("card",)}, LABELS, "`secret` is not one of the labels"),
    ],
)
def test_labels_without_a_meaning_are_refused(finds, labels, says):
    with pytest.raises(OptionError, match=says) as caught:
        classifier(finds, labels)
    assert caught.value.field == "finds"
    assert caught.value.help


def test_the_word_says_what_it_finds_and_how_sure_it_can_be():
    (word,) = pii.mmflow_classifiers()
    assert (word.name, word.pure, word.finds_private_data) == ("pii", True, True)
    usual, phones = pii.PiiOptions(), pii.PiiOptions(finds={"high": ("phone",)})
    assert word.labels(usual) == ("confidential", "internal")
    assert word.most_confident(usual, LABELS) == 0.99
    assert word.most_confident(phones, ("low", "high")) == 0.92
    with pytest.raises(OptionError):
        word.accept(usual, ("low", "high"))
    assert guess(word.make(usual, LABELS, None), "4111 1111 1111 1111").label == "confidential"


FILE = """mmflow 1

provider own using sim {{ zone = own }}

model near {{ provider = own, id = "n", price = free }}
model far {{ provider = sim, id = "f", price = free }}

classify data using pii {{
  {options}
  confidence = 0.9
  unsure = up
}}

guard residency {{ when data >= {high} -> target.zone == own }}

flow main {{
  guards = [residency]
  deadline = 20s
  when data >= {high} -> near
  else -> far
}}
"""


def checked(mmflow, options, high="confidential"):
    mmflow.write("private.mmf", FILE.format(options=options, high=high))
    return mmflow("check", "private.mmf")


def test_a_workflow_with_the_usual_labels_needs_nothing_else(mmflow):
    assert checked(mmflow, "labels = public < internal < confidential").code == 0


def test_a_workflow_says_what_other_labels_stand_for(mmflow):
    done = checked(mmflow, "labels = no < yes", "yes")
    assert (done.code, "what the labels stand for is not said" in done.out + done.err) == (1, True)
    assert checked(mmflow, "labels = no < yes\n  finds = { yes = [card, iban] }", "yes").code == 0
    done = checked(mmflow, "labels = no < yes\n  finds = { yes = [kard] }", "yes")
    assert "expected `card` or `iban`" in done.out + done.err


def test_private_data_stays_where_the_guard_says(mmflow):
    checked(mmflow, "labels = public < internal < confidential")
    private = mmflow("run", "private.mmf", "Bill DE89 3704 0044 0532 0130 00", "--json")
    public = mmflow("run", "private.mmf", "Where is my parcel?", "--json")
    assert ('"near"' in private.out, '"far"' in private.out) == (True, False)
    assert '"far"' in public.out


@pytest.mark.parametrize("detector", pii.DETECTORS)
@given(st.text() | st.text(alphabet="0123456789 -.\n/+()@:<ABXYZabE\u0661\uff11"))
def test_any_text_can_be_searched(detector, text):
    assert pii.DETECTORS[detector].found_in(ready(text)) in (True, False)


@settings(max_examples=30)
@given(st.text(max_size=40))
def test_private_data_is_found_within_any_text(around):
    text = f"{around}\n\nBook it to DE89 3704 0044 0532 0130 00, please.\n\n{around}"
    assert guess(classifier(), text).label == "confidential"


ENDLESS = ["1", "1 ", "4444 ", "4111 1111 1111 1112 ", "1.", "a", "a@", "a.", "@", ":", "ab:", "DE89 ", "+1", "(1", "0 ",
           "password ","phone ", "<", "A", "born ", "-", "sk-", "\n", "é", "\u0300", "eyJ", "1-"]  # fmt: skip


@pytest.mark.parametrize("part", ENDLESS)
def test_time_is_linear_in_the_text(part):
    def needed_s(size):
        text = part * (size // len(part))
        finds = {"private": tuple(pii.DETECTORS)}
        started_s = process_time()
        guess(classifier(finds, ("public", "private")), text)
        return process_time() - started_s

    needed_s(1_000)
    small_s = min(needed_s(50_000) for _ in range(3))
    # Twenty times the text; what is quadratic takes four hundred times as long.
    assert needed_s(1_000_000) < 60 * small_s + 0.5
