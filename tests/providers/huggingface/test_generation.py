from hypothesis import assume, given
from hypothesis import strategies as st

from finetuner.providers.huggingface.generation import certain


def test_half_a_character_waits():
    assert certain("gr\ufffd", ()) == 2


def test_what_may_become_a_stop_waits():
    assert certain("done <en", ("<end>",)) == 5
    assert certain("done <en", ()) == 8


@given(st.text("ab<>", max_size=12), st.lists(st.text("ab<>", min_size=1, max_size=4), max_size=3))
def test_a_stop_is_never_shown_in_part(text, stops):
    """However the text goes on, what was shown is before the first stop."""
    assume(not any(stop in text for stop in stops))
    shown = certain(text, stops)
    for stop in stops:
        for size in range(1, len(stop) + 1):
            whole = text + stop[size:] if text.endswith(stop[:size]) else text
            place = whole.find(stop)
            assert place < 0 or shown <= place
