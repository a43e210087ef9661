from finetuner._core.page import Page, Section, Table, render

HOSTILE = "<script>alert(1)</script>"


def test_every_plain_value_is_escaped_and_nothing_comes_from_outside():
    page = render(Page(HOSTILE, [Section(title=HOSTILE, text=HOSTILE, table=Table((HOSTILE,), ((HOSTILE,),)))]))
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "default-src 'none'" in page


def test_a_long_cell_is_cut():
    assert "x" * 299 + "…" in render(Page("a", [Section(title="b", table=Table(("c",), (("x" * 1000,),)))]))
