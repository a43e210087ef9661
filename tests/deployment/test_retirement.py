"""Nobody is surprised by a model that stops answering."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from finetuner.deployment.retirement import retirements

CATALOG = """
[[models]]
id = "old"
methods = ["supervised"]
retires = 2027-01-14
source = "a page"
as_of = 2026-11-01

[[models]]
id = "new"
methods = ["supervised"]
"""
LAST = date(2027, 1, 14)


@pytest.fixture(autouse=True)
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "acme.toml").write_text(CATALOG, "utf-8")
    monkeypatch.setenv("FINETUNER_CATALOG", str(tmp_path))


@pytest.mark.parametrize(("days", "urgency"), [(91, "later"), (90, "soon"), (0, "soon"), (-1, "retired")])
def test_what_is_urgent_depends_on_the_days_left(days: int, urgency: str) -> None:
    (found,) = retirements({"base": "acme:old"}, on=LAST - timedelta(days=days))
    assert (found.urgency, found.days_left, found.urgent) == (urgency, days, urgency in {"soon", "retired"})
    assert found.source == "a page (2026-11-01)"


def test_a_tuned_model_retires_with_its_base() -> None:
    named, told = retirements(
        {"tuned": "acme:ft:old:org::1", "other": "acme:endpoints/7"}, bases={"acme:endpoints/7": "acme:old"}, on=LAST
    )
    assert named.retires == told.retires == LAST


def test_the_command_trains_again_on_what_lives_longest() -> None:
    (found,) = retirements({"tuned": "acme:old"}, job="ftjob-1", on=LAST)
    assert found.command == "fine-tuner-cc retarget ftjob-1 --to acme --model new"
    assert f"run: {found.command}" in str(found)
    (without,) = retirements({"tuned": "acme:old"}, on=LAST)
    assert without.command == "fine-tuner-cc models"


def test_an_unknown_model_is_said_to_be_unknown_and_the_most_urgent_comes_first() -> None:
    models = {"a": "acme:new", "b": "acme:unheard-of", "c": "acme:old"}
    found = retirements(models, on=LAST)
    assert [(each.role, each.urgency) for each in found] == [
        ("c", "soon"),
        ("a", "none announced"),
        ("b", "not in the catalog"),
    ]
    assert [each.command for each in found[1:]] == ["", ""]
