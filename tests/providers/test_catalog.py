from datetime import date

import pytest

from finetuner.errors import UnknownNameError, UsageError
from finetuner.providers.catalog import base_name, load_catalog, parse_catalog

TEXT = """
notes = ["a fact (2026-01-01)"]
[[models]]
id = "old"
methods = ["supervised"]
retires = 2026-06-30
[[models]]
id = "closing"
methods = ["supervised"]
training_ends = 2026-03-31
retires = 2026-06-30
[[models]]
id = "open"
methods = ["supervised", "dpo"]
limits = { min_examples = 10 }
prices = { training = 25.0 }
[[models]]
id = "only-answers"
"""


@pytest.fixture
def catalog():
    return parse_catalog("acme", TEXT, origin="acme.toml")


@pytest.mark.parametrize(
    ("on", "tunable"),
    [
        (date(2026, 3, 31), ["old", "closing", "open"]),
        (date(2026, 4, 1), ["old", "open"]),
        (date(2026, 6, 30), ["old", "open"]),
        (date(2026, 7, 1), ["open"]),
    ],
)
def test_a_model_takes_jobs_up_to_its_last_day(catalog, on, tunable):
    assert [model.name for model in catalog.tunable(on)] == tunable


@pytest.mark.parametrize("name", ["open", "acme:open", "ft:open:org:suffix:id", "acme:ft:open:org::id:ckpt-step-3"])
def test_a_model_is_found_by_every_form_of_its_name(catalog, name):
    """A tuned model has its base's facts."""
    assert catalog.get(name).prices.training == 25.0
    assert catalog.get(name).limits.min_examples == 10


def test_an_unknown_model_lists_the_known_ones(catalog):
    assert catalog.find("nobody") is None
    with pytest.raises(UnknownNameError, match="old, closing, open, only-answers"):
        catalog.get("nobody")


@pytest.mark.parametrize("name", ["ft", "ft:", "gpt:x"])
def test_names_of_other_forms_are_their_own_base(name):
    assert base_name(name) == ("" if name == "ft:" else name)


@pytest.mark.parametrize("text", ["[[models", "[[models]]\nmethods = []", '[[models]]\nid = "a"\ncolor = "red"'])
def test_a_wrong_file_is_named(text):
    with pytest.raises(UsageError, match=r"catalog file acme\.toml"):
        parse_catalog("acme", text, origin="acme.toml")


def test_a_users_own_file_is_laid_over_the_shipped_one(tmp_path, monkeypatch):
    """Model by model: replaced in place, or added at the end."""
    shipped = load_catalog("local")
    (tmp_path / "local.toml").write_text(
        '[[models]]\nid = "ngram-small"\ndescription = "mine"\n[[models]]\nid = "own"\n', encoding="utf-8"
    )
    monkeypatch.setenv("FINETUNER_CATALOG", str(tmp_path))
    own = load_catalog("local")
    assert [model.name for model in own.models] == [*(model.name for model in shipped.models), "own"]
    assert own.get("ngram-small").description == "mine"
    assert own.get("ngram-base") == shipped.get("ngram-base")


def test_a_provider_without_a_file_has_an_empty_catalog():
    assert load_catalog("nobody").models == ()


@pytest.mark.parametrize("provider", ["local", "openai", "vertex"])
def test_every_shipped_fact_has_its_source_and_day(provider):
    models = load_catalog(provider).models
    assert models
    assert [model.id for model in models if not model.source or model.as_of is None] == []


def test_a_provider_of_any_model_says_what_holds_for_those_it_does_not_list():
    """With the asked name as theirs; a listed one keeps its own facts."""
    text = '[others]\nmethods = ["dpo"]\n[[models]]\nid = "a"\nmethods = ["supervised"]\n'
    catalog = parse_catalog("acme", text, origin="acme.toml")
    assert (catalog.get("/some/folder").id, catalog.get("/some/folder").methods) == ("acme:/some/folder", ("dpo",))
    assert catalog.get("a").methods == ("supervised",)
