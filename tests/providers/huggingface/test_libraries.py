import re
import subprocess
import sys
from pathlib import Path

import pytest

import finetuner
from finetuner.errors import MissingExtraError
from finetuner.providers.huggingface import libraries

HEAVY = ("torch", "transformers", "trl", "peft", "huggingface_hub")


def test_connecting_imports_none_of_them():
    """Nor does listing providers, asking the catalog, or looking for a model."""
    script = (
        "import sys; from finetuner.providers import registry; registry.names(); "
        "registry.connect('huggingface', workspace='none').trainer.list(); "
        f"sys.exit(any(name in sys.modules for name in {HEAVY!r}))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_one_module_names_them():
    """The import contract sees `import` alone; here nobody else may ask for them by name either."""
    asks = re.compile(rf"(?:require|import_module|_library)\(\s*\"(?:{'|'.join(HEAVY)})\"")
    package = Path(finetuner.__file__).parent
    found = {path.relative_to(package).as_posix() for path in package.rglob("*.py") if asks.search(path.read_text())}
    assert found == {"providers/huggingface/libraries.py"}


def test_what_is_missing_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr(libraries, "MODULES", ("json", "a_module_that_nobody_has"))
    assert libraries.missing() == ("a_module_that_nobody_has",)
    with pytest.raises(MissingExtraError, match=r"finetuner-sdk\[huggingface\]"):
        libraries.require_all()
