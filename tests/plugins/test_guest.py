"""A provider that is installed beside finetuner comes in through the same door as the built-in ones."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

GUEST = Path(__file__).parent / "acme_provider"


def lay_out(target: Path) -> None:
    """A package and its metadata, as a wheel of the guest's pyproject.toml unpacks."""
    project = tomllib.loads((GUEST / "pyproject.toml").read_text("utf-8"))["project"]
    shutil.copytree(GUEST / "acme_provider", target / "acme_provider")
    metadata = target / f"acme_provider-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n", "utf-8"
    )
    points = project["entry-points"]["finetuner.providers"]
    written = "".join(f"{name} = {value}\n" for name, value in points.items())
    (metadata / "entry_points.txt").write_text(f"[finetuner.providers]\n{written}", "utf-8")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guest in a folder of its own, offline: installed by pip, or laid out as pip would where it can't be built."""
    target = tmp_path_factory.mktemp("guest")
    if any(importlib.util.find_spec(name) is None for name in ("pip", "hatchling")):
        lay_out(target)
        return target
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check")
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(GUEST)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def python(program: str, installed: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)


def test_an_installed_guest_is_listed_without_being_imported(installed):
    program = (
        "import json, sys; from finetuner.providers import registry; "
        "print(json.dumps([registry.names(), 'acme_provider' in sys.modules]))"
    )
    names, imported = json.loads(python(program, installed).stdout)
    assert {"acme", "local", "openai"} <= set(names)
    assert not imported


def test_a_guest_answers_and_takes_its_own_options(installed):
    program = (
        "from finetuner.providers.model import Model; from finetuner.providers.registry import connect\n"
        "print(Model('acme:scripted-base').complete('hi').text)\n"
        "print(connect('acme', greeting='ahoy').completer.complete('scripted-base', (), None).text)\n"
    )
    assert python(program, installed).stdout.splitlines() == ["hello from acme", "ahoy"]


def test_a_guest_passes_the_contract(installed):
    program = (
        "import unittest\n"
        "from finetuner.providers.registry import connect; from finetuner.testing import ProviderContract\n"
        "class Acme(ProviderContract):\n"
        "    secret = 'acme-key'\n"
        "    def make_provider(self): return connect('acme')\n"
        "passed = 0\n"
        "for name in dir(Acme):\n"
        "    if name.startswith('test_'):\n"
        "        try: getattr(Acme(), name)()\n"
        "        except unittest.SkipTest: continue\n"  # a capability that the guest lacks
        "        passed += 1\n"
        "print(passed)\n"
    )
    done = python(program, installed)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 18


def test_a_broken_guest_raises_its_own_error_and_hides_no_other(installed):
    program = "from finetuner.providers import registry\nregistry.connect('local')\nregistry.connect('broken')\n"
    done = python(program, installed)
    assert done.stderr.splitlines()[-1] == "RuntimeError: acme's native library is missing"
