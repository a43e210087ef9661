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


def test_every_test_file_lies_in_a_folder_of_the_package():
    """`tests/data/test_x.py` tests `finetuner/data`; the other folders are named here."""
    others = {"architecture", "oracles", "plugins", "typing", "wire", "workflow"}
    for path in (ROOT / "tests").rglob("test_*.py"):
        folder = path.relative_to(ROOT / "tests").parts[0]
        assert folder in others or path.parent == ROOT / "tests" or (PACKAGE / folder).is_dir(), path
