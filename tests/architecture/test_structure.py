"""The package's structure is a contract: sizes, import cost, layers."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "finetuner"
LONGEST = 400
ALLOWED = {
    "providers/ports.py": "one contract in one place: all protocols and the values that cross them",
}
SPANNING = {"architecture", "oracles", "plugins", "typing", "wire", "workflow"}
TOPICS = {
    "cli/test_fix.py": "repairing a file from the command line",
    "cli/test_main.py": "the program as a whole",
    "data/formats/test_formats.py": "one round trip over all formats",
    "data/toon/test_toon.py": "writing and reading back",
    "deployment/exports/test_exports.py": "the same figures in every export",
    "deployment/test_calibration.py": "what sequential procedures promise, by simulation",
    "deployment/test_promises.py": "R1 to R8 of the router",
    "deployment/test_service.py": "the service of the examples under load",
    "deployment/test_simulation.py": "I1 to I7 under kills, stops and lies",
    "deployment/test_stages_and_quantiles.py": "strata and quantiles together",
    "emulator/test_gcs.py": "Cloud Storage's routes, sessions and objects",
    "emulator/test_vertex.py": "Vertex AI's routes, state and wire",
    "evaluation/benchmarks/test_pages.py": "all benchmarks alike",
    "evaluation/metrics/test_metrics.py": "all metrics alike",
    "evaluation/metrics/test_text_overlap.py": "ROUGE, BLEU and chrF against the kept libraries",
    "evaluation/statistics/test_coverage.py": "what intervals promise, by simulation",
    "evaluation/statistics/test_intervals.py": "all intervals alike",
    "evaluation/statistics/test_planning.py": "power and sizes",
    "evaluation/test_storm.py": "evaluating through bad weather",
    "providers/huggingface/test_example.py": "the example on weights that a package ships",
    "providers/local/test_files.py": "files as the embedded provider keeps them",
    "providers/local/test_store.py": "jobs as the embedded provider keeps them",
    "providers/openai/test_connect.py": "the connection that `connect` makes",
    "providers/openai/test_guide.py": "what the guide prints",
    "providers/vertex/test_connect.py": "the connection that `connect` makes",
    "training/test_kill.py": "kill -9 between intent and answer, and while waiting",
    "web/test_browser.py": "the pages in a real browser",
}
HEAVY = ("openai", "google", "torch", "tiktoken", "sqlalchemy", "numpy", "rich", "typer")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_at_most_400_lines(path):
    if str(path.relative_to(PACKAGE)) not in ALLOWED:
        assert len(path.read_text("utf-8").splitlines()) <= LONGEST


def test_an_allowed_long_module_is_really_long():
    for name in ALLOWED:
        assert len((PACKAGE / name).read_text("utf-8").splitlines()) > LONGEST


def test_importing_finetuner_imports_no_heavy_package():
    code = (
        "import sys; before = set(sys.modules)\n"  # Google's packages put an empty `google` into every interpreter
        f"import finetuner; print([name for name in {HEAVY!r} if name in set(sys.modules) - before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_test_file_is_named_after_what_it_tests():
    """`tests/data/test_x.py` tests `finetuner/data/x.py` or `finetuner/data/x/`; what spans modules is a topic."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        place = path.relative_to(ROOT / "tests")
        if len(place.parts) > 1 and place.parts[0] not in SPANNING and str(place) not in TOPICS:
            tested = PACKAGE / place.parent / path.stem.removeprefix("test_")
            assert tested.with_suffix(".py").is_file() or tested.is_dir(), place


def test_a_topic_exists_and_is_no_module():
    for place in map(Path, TOPICS):
        assert (ROOT / "tests" / place).is_file(), place
        assert not (PACKAGE / place.parent / f"{place.stem.removeprefix('test_')}.py").is_file(), place


def test_every_folder_of_the_package_is_tested():
    for folder in {path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE}:
        mirror = ROOT / "tests" / folder.relative_to(PACKAGE)
        assert mirror.is_dir() or mirror.with_name(f"test_{mirror.name}.py").is_file(), folder
