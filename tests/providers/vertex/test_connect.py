"""Connecting does nothing yet; without the extra, one line says how to get it."""

import subprocess
import sys

from finetuner.providers import registry

HIDDEN = """
import sys
class Nobody:
    def find_spec(self, name, path=None, target=None):
        if name == "google" or name.startswith("google."):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Nobody())
for name in [name for name in sys.modules if name.split(".")[0] == "google"]:
    del sys.modules[name]
from finetuner.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_connecting_imports_no_sdk():
    program = (
        "import sys; from finetuner.providers.registry import connect; connect('vertex', project='p');"
        "print([m for m in sys.modules if m.startswith(('google.api', 'google.au', 'google.cloud.', 'google.genai'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_the_extra_one_line_says_how_to_get_it(tmp_path):
    command = ("status", "projects/p/locations/us-central1/tuningJobs/1", "--workspace", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", HIDDEN, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        'error: The vertex provider needs the extra "vertex": pip install "finetuner-sdk[vertex]"'
    ]


def test_it_is_found_by_its_name():
    provider = registry.connect("vertex", project="p", access_token="ya29.secret")
    assert (provider.name, provider.formats) == ("vertex", ("vertex", "vertex-preference"))
    assert "ya29" not in repr(provider)
