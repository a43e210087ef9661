"""Addresses on other machines, fetched by an installed package."""

import sys

import pytest

from finetuner.data.dataset import Dataset
from finetuner.data.sources import remote
from finetuner.errors import DataFormatError

ROW = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'


@pytest.fixture
def guest(tmp_path, monkeypatch):
    """An installed package that fetches `acme://` addresses."""
    site, bucket = tmp_path / "site", tmp_path / "bucket"
    (site / "acme_source-1.dist-info").mkdir(parents=True)
    (site / "acme_source-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-source\nVersion: 1\n")
    (site / "acme_source-1.dist-info" / "entry_points.txt").write_text(
        "[finetuner.sources]\nacme = acme_source:fetch\n"
    )
    (site / "acme_source.py").write_text(
        f"from pathlib import Path\ndef fetch(address):\n    return Path({str(bucket)!r}) / address.split('://')[1]\n"
    )
    monkeypatch.syspath_prepend(site)
    bucket.mkdir()
    yield bucket
    sys.modules.pop("acme_source", None)


def test_an_address_is_fetched_by_the_package_of_its_scheme(guest):
    """Rows name the address, not the copy; the address's ending tells the kind."""
    (guest / "copy.csv").write_text("text,label\nhi,a\n")
    data = Dataset.load("acme://copy.csv")
    assert (data[0].user_text, data.file(0), data.source) == ("hi", "acme://copy.csv", "acme://copy.csv")


def test_an_address_may_mean_several_files(guest):
    (guest / "logs" / "deep").mkdir(parents=True)
    (guest / "logs" / "1.jsonl").write_text(ROW)
    (guest / "logs" / "deep" / "2.jsonl").write_text(ROW * 2)
    data = Dataset.load("acme://logs/")
    assert [data.file(row) for row in range(3)] == ["acme://logs/1.jsonl", *["acme://logs/deep/2.jsonl"] * 2]


@pytest.mark.usefixtures("guest")
def test_an_address_that_nobody_fetches_says_how_to_go_on():
    with pytest.raises(DataFormatError, match=r"nothing installed fetches ftp:// .*acme://.*copy the file here first"):
        Dataset.load("ftp://example.com/a.jsonl")
    with pytest.raises(DataFormatError, match="aws s3 cp"):
        remote.fetch("s3://bucket/a.jsonl")
