"""Instructions whose obedience a program can check, as in IFEval (Zhou et al. 2023, arXiv 2311.07911).

Each check is a pure function of the answer and the instruction's arguments.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from finetuner._core.types import JsonObject
from finetuner.evaluation.metrics.json_validity import is_json

Check = Callable[[str, JsonObject], bool]
"""Whether an answer obeys an instruction with these arguments."""

_FENCE: Final = re.compile(r"^```(?:json)?\s*|\s*```$")
_CHOICES: Final = ("My answer is yes.", "My answer is no.", "My answer is maybe.")


def obeys(instruction: str, answer: str, arguments: JsonObject) -> bool:
    """Whether an answer obeys an instruction; an empty answer obeys none.

    ```pycon
    >>> obeys("length_constraints:number_words", "one two three", {"relation": "at least", "num_words": 3})
    True
    >>> obeys("punctuation:no_comma", "Well, no", {})
    False

    ```

    Raises:
        KeyError: The instruction isn't known, or an argument is missing.
    """
    return bool(answer.strip()) and CHECKS[instruction](answer, arguments)


def _compared(found: int, wanted: int, relation: str) -> bool:
    return found < wanted if relation == "less than" else found >= wanted


def _occurrences(answer: str, word: str) -> int:
    return len(re.findall(re.escape(word), answer, re.IGNORECASE))


def _words(answer: str) -> list[str]:
    return re.findall(r"\w+", answer)


def _sentences(answer: str) -> int:
    return len([part for part in re.split(r"(?<=[.!?])\s+", answer.strip()) if part])


def _paragraphs(answer: str, separator: str) -> list[str]:
    return [part for part in re.split(separator, answer) if part.strip()]


def _nth_paragraph(answer: str, arguments: JsonObject) -> bool:
    parts = _paragraphs(answer, r"\n\n")
    nth = int(arguments["nth_paragraph"])
    first = _words(parts[nth - 1])[:1] if nth <= len(parts) else []
    return len(parts) == int(arguments["num_paragraphs"]) and [word.lower() for word in first] == [
        str(arguments["first_word"]).lower()
    ]


def _bullets(answer: str, arguments: JsonObject) -> bool:
    return len(re.findall(r"^\s*[*-](?![*-])\s*\S", answer, re.MULTILINE)) == int(arguments["num_bullets"])


def _highlights(answer: str, arguments: JsonObject) -> bool:
    found = re.findall(r"\*\*[^*\n]+\*\*|\*[^*\n]+\*", answer)
    return len([each for each in found if each.strip("* ")]) >= int(arguments["num_highlights"])


def _sections(answer: str, arguments: JsonObject) -> bool:
    splitter = re.escape(str(arguments["section_spliter"]).strip())
    return len(re.split(rf"\s?{splitter}\s?\d+\s?", answer)) - 1 >= int(arguments["num_sections"])


def _two_answers(answer: str, _arguments: JsonObject) -> bool:
    parts = [part.strip() for part in answer.split("******")]
    inside = [part for i, part in enumerate(parts) if part or 0 < i < len(parts) - 1]
    return len(inside) == 2 and all(inside) and inside[0] != inside[1]  # noqa: PLR2004 - two answers


def _postscript(answer: str, arguments: JsonObject) -> bool:
    marker = str(arguments["postscript_marker"])
    pattern = {"P.P.S": r"\s*p\.\s?p\.\s?s.*$", "P.S.": r"\s*p\.\s?s\..*$"}.get(
        marker, rf"\s*{re.escape(marker.lower())}.*$"
    )
    return re.search(pattern, answer.lower(), re.MULTILINE) is not None


def _capital_words(answer: str, arguments: JsonObject) -> bool:
    found = sum(word.isupper() for word in _words(answer))
    return _compared(found, int(arguments["capital_frequency"]), str(arguments["capital_relation"]))


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "keywords:existence": lambda answer, a: all(_occurrences(answer, str(word)) for word in a["keywords"]),
        "keywords:forbidden_words": lambda answer, a: (
            not any(re.search(rf"\b{re.escape(str(word))}\b", answer, re.IGNORECASE) for word in a["forbidden_words"])
        ),
        "keywords:frequency": lambda answer, a: _compared(
            _occurrences(answer, str(a["keyword"])), int(a["frequency"]), str(a["relation"])
        ),
        "keywords:letter_frequency": lambda answer, a: _compared(
            answer.lower().count(str(a["letter"]).lower()), int(a["let_frequency"]), str(a["let_relation"])
        ),
        "length_constraints:number_words": lambda answer, a: _compared(
            len(_words(answer)), int(a["num_words"]), str(a["relation"])
        ),
        "length_constraints:number_sentences": lambda answer, a: _compared(
            _sentences(answer), int(a["num_sentences"]), str(a["relation"])
        ),
        "length_constraints:number_paragraphs": lambda answer, a: (
            len(_paragraphs(answer, r"\s?\*\*\*\s?")) == int(a["num_paragraphs"])
        ),
        "length_constraints:nth_paragraph_first_word": _nth_paragraph,
        "detectable_content:postscript": _postscript,
        "detectable_content:number_placeholders": lambda answer, a: (
            len(re.findall(r"\[.*?\]", answer)) >= int(a["num_placeholders"])
        ),
        "detectable_format:number_bullet_lists": _bullets,
        "detectable_format:number_highlighted_sections": _highlights,
        "detectable_format:multiple_sections": _sections,
        "detectable_format:constrained_response": lambda answer, _a: any(choice in answer for choice in _CHOICES),
        "detectable_format:json_format": lambda answer, _a: is_json(_FENCE.sub("", answer.strip())),
        "detectable_format:title": lambda answer, _a: re.search(r"<<[^\n<>]*\S[^\n<>]*>>", answer) is not None,
        "combination:two_responses": _two_answers,
        "combination:repeat_prompt": lambda answer, a: (
            answer.strip().lower().startswith(str(a["prompt_to_repeat"]).strip().lower())
        ),
        "startend:end_checker": lambda answer, a: (
            answer.strip().strip('"').lower().endswith(str(a["end_phrase"]).strip().lower())
        ),
        "startend:quotation": lambda answer, _a: re.fullmatch(r'".+"', answer.strip(), re.DOTALL) is not None,
        "change_case:english_capital": lambda answer, _a: answer.isupper(),
        "change_case:english_lowercase": lambda answer, _a: answer.islower(),
        "change_case:capital_word_frequency": _capital_words,
        "punctuation:no_comma": lambda answer, _a: "," not in answer,
    }
)
"""The checks by IFEval's names. `language:response_language` is none of them: it needs a language detector."""
