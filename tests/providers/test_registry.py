import subprocess
import sys

import pytest

from finetuner.errors import UnknownNameError
from finetuner.providers import registry


def test_built_in_providers_are_listed_sorted():
    assert {"local", "openai"} <= set(registry.names())
    assert list(registry.names()) == sorted(registry.names())


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"'nobody'; installed: .*local"):
        registry.connect("nobody")


def test_options_reach_the_provider(tmp_path):
    provider = registry.connect("local", workspace=tmp_path)
    assert (provider.name, provider.trainer.store.folder) == ("local", tmp_path / "local")


def test_listing_imports_no_provider():
    program = (
        "import sys; from finetuner.providers import registry; registry.names(); "
        "sys.exit(any(name.startswith(('finetuner.providers.local', 'openai', 'numpy')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
