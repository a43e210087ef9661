"""Two answers before a judge: both orders, and no belief in one that order decides."""

import asyncio
import json
import re

import pytest

from finetuner.errors import UsageError
from finetuner.evaluation.comparison import compare
from finetuner.evaluation.judge import Judge
from finetuner.evaluation.pairwise import prefer, prefer_async
from finetuner.evaluation.pairwise_prompt import read_choice
from finetuner.evaluation.rubric import Criterion, Level, Rubric
from finetuner.evaluation.session import Settings

LEVELS = (Level(5, "good"), Level(1, "bad"))
RUBRIC = Rubric(name="Replies", task="Answer.", criteria=(Criterion("Right", 1.0, LEVELS),))
PAIRS = [(f"question {i}", f"a full answer to {i}") for i in range(30)]


def shown(told):
    mark = re.findall(r"<<[0-9a-f]{24}>>", told)[0]
    return json.loads(told.split(mark)[1])


def longer(told):
    """Prefers the longer answer among those that are answers."""
    data = shown(told)
    answers = (data["first"], data["second"])
    first, second = (len(text) if text.startswith(("short", "a full")) else 0 for text in answers)
    better = "first" if first > second else "second" if second > first else "tie"
    return json.dumps({"justification": "", "better": better})


@pytest.fixture
def both(rows, model, place):
    """Data, and a comparison in which tuned answers are longer on the first 20 rows and equal on the others."""
    base, _ = model(lambda text: f"short {text}", "test:base")
    tuned, _ = model(lambda text: f"short {text}" + " and more" * (int(text.split()[1]) < 20), "test:tuned")
    data = rows(PAIRS)
    return data, compare(base, tuned, data, workspace=place)


def judged(model, both, place, answer, **settings):
    judge, asked = model(answer, "test:judge")
    data, comparison = both
    return prefer(Judge(judge, RUBRIC), comparison, data, workspace=place, settings=Settings(**settings)), asked


def test_each_pair_is_asked_in_both_orders(model, both, place):
    """Wins, losses and ties, with Tango's interval and the sign test."""
    preference, asked = judged(model, both, place, longer)
    assert preference.void is None
    assert (preference.wins, preference.losses, len(preference.winners)) == (20, 0, 30)
    assert preference.difference.value == pytest.approx(20 / 30)
    assert preference.p_value == pytest.approx(2 * 0.5**20)
    assert preference.position_bias == 0
    assert preference.flagged == ()
    assert len(asked.asked) == 2 * 30 + 10


def test_a_judge_that_follows_the_order_decides_nothing(model, both, place):
    """Always the first: it prefers bad answers when they come first, which voids it at once."""
    preference, asked = judged(model, both, place, lambda _: '{"better": "first"}')
    assert "known to be bad" in preference.void
    assert preference.difference is None
    assert len(asked.asked) == 10


def test_order_that_decides_makes_ties_and_flags(model, both, place):
    """Sound on controls, but the first of two real answers: all ties, all flagged."""

    def biased(told):
        data = shown(told)
        real = data["first"].startswith("short") and data["second"].startswith("short")
        return '{"better": "first"}' if real else longer(told)

    preference, _ = judged(model, both, place, biased)
    assert set(preference.winners.values()) == {"tie"}
    assert preference.position_bias == 1
    assert len(preference.flagged) == 30


def test_unreadable_replies_are_flagged_and_counted_nowhere(model, both, place):
    preference, _ = judged(model, both, place, lambda t: "hm" if shown(t)["input"] == "question 3" else longer(t))
    assert preference.flagged == (3,)
    assert 3 not in preference.winners


def test_replies_are_paid_once(model, both, place):
    """A second run, the asynchronous one too, asks nothing."""
    judge, asked = model(longer, "test:judge")
    data, comparison = both
    first = prefer(Judge(judge, RUBRIC), comparison, data, workspace=place)
    second = asyncio.run(prefer_async(Judge(judge, RUBRIC), comparison, data, workspace=place))
    assert first == second
    assert len(asked.asked) == 70


def test_a_summary_cannot_be_judged(model, both, place):
    data, comparison = both
    with pytest.raises(UsageError, match="with its rows"):
        judged(model, (data, comparison.summary()), place, longer)


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ('{"better": "tie"}', "tie"),
        ('```json\n{"better": "second"}\n```', "second"),
        ('{"better": "both"}', None),
        ('{"better": ["first"]}', None),
        ("first", None),
    ],
)
def test_choices_are_read_without_guessing(text, choice):
    assert read_choice(text) == choice
