"""Each instruction: an answer that obeys it, and one that doesn't."""

import pytest

from finetuner.evaluation.benchmarks.instructions import CHECKS, obeys

CASES = [
    ("keywords:existence", {"keywords": ["sun", "moon"]}, "The Sun and the moonlight", "The sun"),
    ("keywords:forbidden_words", {"forbidden_words": ["bad"]}, "badly said", "It is Bad."),
    ("keywords:frequency", {"keyword": "go", "frequency": 2, "relation": "at least"}, "Go, go!", "go"),
    ("keywords:frequency", {"keyword": "go", "frequency": 2, "relation": "less than"}, "go", "go go"),
    ("keywords:letter_frequency", {"letter": "e", "let_frequency": 2, "let_relation": "at least"}, "Eel", "el"),
    ("length_constraints:number_words", {"num_words": 3, "relation": "less than"}, "two words", "now three words"),
    ("length_constraints:number_sentences", {"num_sentences": 2, "relation": "at least"}, "One. Two!", "One, two."),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "a\n***\nb", "a\n\nb"),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Then"},
        "a\n\nthen b",
        "a\n\nb then",
    ),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Bye.\nP.S. one more", "Bye. PS"),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "Bye.\nP.P.S more", "Bye.\nP.S. more"),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[name] of [city]", "[name]"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* a\n- b", "* a\n* b\n* c"),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*a* and **b c**", "*a* and b"),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Section", "num_sections": 2},
        "Section 1\na\nSection 2\nb",
        "Section 1\na",
    ),
    ("detectable_format:constrained_response", {}, "My answer is no.", "No."),
    ("detectable_format:json_format", {}, '```json\n{"a": 1}\n```', "{a: 1}"),
    ("detectable_format:title", {}, "<<On cats>>\ntext", "<< >> text"),
    ("combination:two_responses", {}, "yes\n******\nno", "yes\n******\nyes"),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Say hi."}, "say hi. Hi!", "Hi!"),
    ("startend:end_checker", {"end_phrase": "That is all."}, 'So: "that is all."', "That is all. Bye"),
    ("startend:quotation", {}, '"quoted"', 'not "quoted"'),
    ("change_case:english_capital", {}, "LOUD 1!", "Loud"),
    ("change_case:english_lowercase", {}, "quiet 1!", "Quiet"),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "at least"},
        "A BIG dog",
        "BIG",
    ),
    ("punctuation:no_comma", {}, "a b", "a, b"),
]


@pytest.mark.parametrize(("name", "arguments", "good", "bad"), CASES)
def test_good_obeys_and_bad_does_not(name, arguments, good, bad):
    assert obeys(name, good, arguments)
    assert not obeys(name, bad, arguments)


def test_every_check_has_a_case():
    assert {name for name, *_ in CASES} == CHECKS.keys()


@pytest.mark.parametrize("name", ["punctuation:no_comma", "change_case:english_lowercase"])
def test_silence_obeys_nothing(name):
    assert not obeys(name, " \n", {})
