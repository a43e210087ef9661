"""Which language a text is in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.data.languages import UNKNOWN, language


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Where is my order, and when will it be here?", "en"),
        ("Wo ist meine Bestellung und wann kommt sie an?", "de"),
        ("Où est ma commande et quand est-ce que je la reçois ?", "fr"),
        ("¿Dónde está mi pedido y cuándo llega a mi casa?", "es"),
        ("Onde está o meu pedido e quando chega em casa?", "pt"),
        ("Dove è il mio ordine e quando mi arriva?", "it"),
        ("Gdzie jest moje zamówienie i kiedy do mnie dotrze?", "pl"),
        ("我的订单在哪里,什么时候到?", "zh"),
        ("注文はどこですか。いつ届きますか。", "ja"),
        ("제 주문은 어디에 있나요?", "ko"),
        ("Где мой заказ и когда он придёт?", "ru"),
        ("أين طلبي ومتى يصل؟", "ar"),
        ("Πού είναι η παραγγελία μου;", "el"),
        ("for (i = 0; i < n; i++) { x[i] += 1; }", UNKNOWN),
        ("", UNKNOWN),
        ("12345", UNKNOWN),
    ],
)
def test_a_sentence_tells_its_language(text, code):
    assert language(text) == code


def test_an_english_text_with_a_foreign_name_is_english():
    assert language("Please tell Мария that the order is on its way to her house, and that it is paid for.") == "en"


@given(st.text(max_size=300))
def test_any_text_has_an_answer(text):
    assert language(text)
