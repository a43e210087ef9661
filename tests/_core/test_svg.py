import itertools
import xml.etree.ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from finetuner._core.svg import Axis, line_chart

VALUES = st.floats(-1e6, 1e6)


@settings(deadline=None)  # the clock belongs to whoever else runs here
@given(values=st.lists(VALUES, max_size=20), value=VALUES)
def test_an_axis_holds_all_its_values_between_its_ends(values, value):
    axis = Axis.over([*values, value], 10.0, 200.0)
    assert 10.0 <= axis.at(value) <= 200.0


@settings(deadline=None)  # the clock belongs to whoever else runs here
@given(low=VALUES, width=st.floats(1e-3, 1e6))
def test_ticks_are_few_round_and_inside_the_axis(low, width):
    axis = Axis.over([low, low + width], 10.0, 200.0)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 8
    assert all(9.9 <= axis.at(tick) <= 200.1 for tick in ticks)
    steps = {float(f"{after - before:.6g}") for before, after in itertools.pairwise(ticks)}
    assert {f"{step:.0e}"[0] for step in steps} <= {"1", "2", "5"}


def test_a_chart_is_well_formed_and_escapes_what_it_says():
    picture = line_chart({'<b>"train"&': [(1.0, 2.0), (2.0, 1.0)]}, x="<step>", y="loss")
    root = ET.fromstring(picture)
    assert root.tag == "svg"
    assert "<b>" not in picture
    assert ET.fromstring(line_chart({})).tag == "svg"
