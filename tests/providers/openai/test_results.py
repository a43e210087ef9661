import base64

import pytest

from finetuner.errors import UnexpectedAnswerError
from finetuner.providers.openai import results

TABLE = (
    b"step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy,novelty\n"
    b"1,0.9,0.5,,,7\n2,0.4,0.75,0.6,0.7,\n,0.1,,,,\n"
)
ROWS = (
    {"step": 1.0, "train_loss": 0.9, "train_accuracy": 0.5},
    {"step": 2.0, "train_loss": 0.4, "train_accuracy": 0.75, "valid_loss": 0.6, "valid_accuracy": 0.7},
)


@pytest.mark.parametrize(
    "content",
    [TABLE, base64.b64encode(TABLE), base64.encodebytes(TABLE), b"\xef\xbb\xbf" + TABLE, TABLE.replace(b"\n", b"\r\n")],
    ids=["plain", "base64", "base64 in lines", "with a byte order mark", "with carriage returns"],
)
def test_a_table_is_read_however_it_is_sent(content):
    """Unknown columns, empty cells and rows without a step are no obstacle."""
    assert results.rows(content) == ROWS


def test_missing_columns_are_missing():
    assert results.rows(b"step,train_loss\n1,nan\n2,0.5\n") == ({"step": 1.0}, {"step": 2.0, "train_loss": 0.5})


@pytest.mark.parametrize("content", [b"", b"<html>busy</html>", b"\xff\xfe\x00,step", b"loss\n1\n"])
def test_what_is_no_table_is_unexpected(content):
    with pytest.raises(UnexpectedAnswerError):
        results.rows(content)
