from datetime import date

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user
from finetuner.providers.huggingface.limits import rules

DAY = date(2026, 11, 24)


def test_any_model_is_known():
    """A folder isn't in the catalog, and is no reason for a warning."""
    found = rules("/models/smol", DAY)
    assert (found.findings, found.methods) == ((), ("supervised", "dpo"))


def test_chats_and_pairs_are_taken():
    chat = Example(messages=(user("q"), assistant("a")))
    pair = Example(messages=(user("q"),), preferred=assistant("a"), rejected=assistant("b"))
    for example in (chat, pair):
        report = Dataset.from_examples([example] * 60).check("huggingface", "/models/smol", DAY)
        assert not [issue for issue in report.issues if issue.severity == "error"]
