"""Personal data and secrets."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.data import privacy
from finetuner.data.examples import Example, Message, ToolCall, assistant, user
from finetuner.data.privacy import find, iban_valid, luhn_valid, redact, redact_example, ssn_plausible


@pytest.mark.parametrize(("text", "valid"), [("4111 1111 1111 1111", True), ("4111 1111 1111 1112", False)])
def test_luhn(text, valid):
    assert luhn_valid(text) is valid


@pytest.mark.parametrize(
    ("text", "valid"),
    [("GB33BUKB20201555555555", True), ("GB82WEST12345698765432", True), ("GB82WEST12345698765433", False)],
)
def test_iban(text, valid):
    assert iban_valid(text) is valid


@pytest.mark.parametrize(
    ("text", "plausible"),
    [
        ("078-05-1120", False),
        ("000-12-3456", False),
        ("666-12-3456", False),
        ("912-12-3456", False),
        ("123-00-4567", False),
        ("123-45-0000", False),
        ("123-45-6789", True),
    ],
)
def test_ssn(text, plausible):
    assert ssn_plausible(text) is plausible


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("mail ann.lee+x@example.co.uk.", "mail <EMAIL_1>."),
        ("a@example.com b@example.com a@example.com", "<EMAIL_1> <EMAIL_2> <EMAIL_1>"),
        ("call +44 20 7946 0958 or (415) 555-2671", "call <PHONE_1> or <PHONE_2>"),
        ("card 4111 1111 1111 1111", "card <CARD_1>"),
        ("to GB82 WEST 1234 5698 7654 32", "to <IBAN_1>"),
        ("ssn 123-45-6789", "ssn <SSN_1>"),
        ("from 192.168.1.1 and fe80::1", "from <IP_1> and <IP_2>"),
        ("key AKIAIOSFODNN7EXAMPLE", "key <SECRET_1>"),
        ("sk-proj-abcdefghijklmnop1234", "<SECRET_1>"),
        ("postgres://me:pw@host/db", "postgres://<CREDENTIALS_1>@host/db"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY----- ok", "<PRIVATE_KEY_1> ok"),
        ("-----BEGIN PRIVATE KEY-----\nMIIB", "<PRIVATE_KEY_1>"),
    ],
)
def test_each_kind_gets_a_typed_stable_placeholder(text, redacted):
    assert redact(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "std::vector<int> a::b",
        "at 12:30:45",
        "order 1234567890123456",
        "version 1.2.3",
        "2026-11-24",
        "999.999.999.999",
        "x@y",
    ],
)
def test_ordinary_text_stays(text):
    assert find(text) == ()
    assert redact(text) == text


HOSTILE = [
    "a",
    "a.",
    "a@",
    "1 ",
    "1",
    "eyJ-",
    "sk-",
    "::",
    "a@a.",
    "+1 ",
    "://a:",
    " AB12",
    "%",
    "1.1.",
    "(",
    "<EMAIL_1>",
]
HOSTILE += ["-----BEGIN PRIVATE KEY-----", "ann@example.com+44 20 7946 0958 "]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_of_100_kb_takes_linear_time(piece):
    text = (piece * 100_000)[:100_000]
    start = time.perf_counter()
    redact(text)
    assert time.perf_counter() - start < 3


PIECES = st.sampled_from(
    ["ann@example.com", "4111 1111 1111 1111", "+44 20 7946 0958", "<EMAIL_1>", "<PHONE_7>", " and ", "!"]
)


@given(st.lists(PIECES | st.text(max_size=10)).map("".join))
def test_redacting_again_changes_nothing(text):
    once = redact(text)
    assert redact(once) == once


WHOLE = [
    "ann@example.com", "4111 1111 1111 1111", "+44 20 7946 0958", "(415) 555-2671", "415-555-2671", "123-45-6789",
    "192.168.1.1", "1.1.1.1", "fe80::1", "1:2:3:4:5:6:7:8", "GB82 WEST 1234 5698 7654 32", "GB82WEST12345698765432",
    "AKIAIOSFODNN7EXAMPLE", "sk-proj-abcdefghijklmnop1234", "hf_abcdefghijklmnopqrstuv", "ghp_abcdefghijklmnopqrstuv",
    "postgres://me:pw@host/db", "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----", f"AIza{'a' * 35}",
    "eyJabcdefghij.eyJabcdef.abcdefghij", "xoxb-abcdefghijklmnopqrst",
]  # fmt: skip
CUT = st.builds(lambda text, start, end: text[start:end], st.sampled_from(WHOLE), st.integers(0, 6), st.integers(2, 40))


@given(st.lists(CUT | st.sampled_from([*WHOLE, " ", "-", ".", ":", "+", "1", "A", "_", "é"]), max_size=6).map("".join))
def test_the_cheap_tests_hide_nothing(text):
    """A pattern is tried only where a cheap test says that it may match: trying all of them finds the same."""
    tried = tuple((lambda _: True, forms) for _, forms in privacy._FORMS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(privacy, "_FORMS", tried)
        wanted = find(text)
    assert find(text) == wanted


@given(st.text(max_size=200))
def test_findings_are_in_order_and_do_not_overlap(text):
    found = find(text)
    assert all(before.end <= after.start for before, after in pairwise(found))


def test_a_value_has_one_placeholder_in_the_whole_example_and_numbers_in_use_stay_free():
    call = ToolCall(id="1", name="send", arguments='{"to":"ann@example.com","n":1}')
    example = Example(
        messages=(
            user("<EMAIL_1> wrote, answer ann@example.com"),
            Message(role="assistant", tool_calls=(call,)),
            assistant("Sent to ann@example.com"),
        ),
        metadata={"user": "ann@example.com", "n": 1},
    )
    redacted = redact_example(example)
    assert redacted.messages[0].text == "<EMAIL_1> wrote, answer <EMAIL_2>"
    assert redacted.messages[1].tool_calls[0].arguments == '{"to":"<EMAIL_2>","n":1}'
    assert redacted.completion == "Sent to <EMAIL_2>"
    assert redacted.metadata == {"user": "<EMAIL_2>", "n": 1}
    assert redact_example(redacted) == redacted
