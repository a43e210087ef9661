import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner._core import codec
from finetuner.data.examples import Example, Message, ToolCall, assistant, user
from finetuner.emulator import playing
from finetuner.errors import DataFormatError
from finetuner.providers.ports import Completion

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8)
GRADER = {"type": "string_check", "name": "n", "operation": "eq", "input": "", "reference": "{{ item.a.b }}!"}


@given(st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=3))
def test_called_tools_survive_as_texts(calls):
    """What is learned as a text is spoken as the same calls, under new ids."""
    message = Message(role="assistant", tool_calls=tuple(ToolCall("c", name, arguments) for name, arguments in calls))
    spoken = playing.spoken(Completion(text=playing.written(message), model="m"))
    assert [(call.name, call.arguments) for call in spoken.tool_calls] == calls
    assert (spoken.text, spoken.finish_reason) == ("", "tool_calls")
    assert len({call.id for call in spoken.tool_calls}) == len(calls)


@given(st.text(max_size=20))
def test_texts_are_spoken_as_they_are(text):
    completion = Completion(text=text, model="m")
    if not text.startswith("\ue000"):
        assert playing.spoken(completion) is completion


def test_the_better_answer_of_a_pair_is_the_one_to_learn():
    pair = Example(messages=(user("a"),), preferred=assistant("good"), rejected=assistant("bad"))
    (line,) = playing.lines([pair])
    assert codec.decode(line)["messages"][-1] == {"role": "assistant", "content": "good"}


def test_a_line_without_an_answer_cannot_be_learned():
    with pytest.raises(DataFormatError):
        list(playing.lines([Example(messages=(user("a"),))]))


def test_the_reference_of_a_grader_is_the_answer_that_it_rewards():
    example = Example(messages=(user("a"),), metadata={"a": {"b": 42}})
    assert playing.rewarded(example, GRADER).completion == "42!"


@pytest.mark.parametrize(
    "graders", [{"first": {"type": "python", "source": ""}, "second": GRADER}, GRADER, [GRADER]], ids=str
)
def test_of_several_graders_the_first_with_a_reference_counts(graders):
    example = Example(messages=(user("a"),), metadata={"a": {"b": "x"}})
    grader = {"type": "multi", "name": "n", "graders": graders, "calculate_output": "second"}
    assert playing.rewarded(example, grader).completion == "x!"


@pytest.mark.parametrize(
    "grader",
    [
        {**GRADER, "operation": "ne"},
        {"type": "score_model", "name": "n"},
        {**GRADER, "reference": "{{sample.output_text}}"},
        {**GRADER, "reference": "{{item.missing}}"},
    ],
)
def test_what_has_no_best_answer_is_told(grader):
    with pytest.raises(DataFormatError):
        playing.rewarded(Example(messages=(user("a"),)), grader)
