import subprocess
import sys
from xml.etree import ElementTree

import matplotlib
import pytest

from perceptlm.report.curves import histogram, line_chart, smooth

SERIES = {"all": ([0, 1, 2], [4.0, 2.0, 1.0]), "fgqa": ([0, 2], [3.0, 2.0])}


def texts(svg: bytes) -> list[str]:
    return [str(node.text) for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_the_chart_says_what_it_shows() -> None:
    svg = line_chart(SERIES, title="Loss", xlabel="step", ylabel="nats", log_y=True)
    assert {"Loss", "step", "nats", "all", "fgqa", "1", "2"} <= set(texts(svg))


def test_same_numbers_same_bytes_whatever_the_settings_of_the_reader() -> None:
    first = line_chart(SERIES, title="Loss", xlabel="x", ylabel="y")
    with matplotlib.rc_context({"lines.linewidth": 9, "axes.grid": True, "svg.hashsalt": "other"}):
        assert line_chart(SERIES, title="Loss", xlabel="x", ylabel="y") == first
        assert matplotlib.rcParams["lines.linewidth"] == 9
    assert b"<dc:date>" not in first


def test_hostile_names_stay_text(hostile: str) -> None:
    svg = line_chart({hostile: ([0], [1]), "$x^2$": ([0], [2])}, title=hostile, xlabel="$", ylabel="_y")
    found = texts(svg)
    assert any("<script>alert(1)" in text for text in found)
    assert "$x^2$" in found
    assert b"<script" not in svg


def test_names_in_any_script_and_of_any_length_leave_room_for_the_lines() -> None:
    svg = line_chart({"日本" * 200: ([0], [1]), "b": ([0], [2])}, title="語 " * 500, xlabel="x" * 900, ylabel="\n" * 9)
    assert any(text.startswith("日本日本") and text.endswith("…") for text in texts(svg))


def test_points_that_cannot_be_drawn_are_left_out() -> None:
    svg = line_chart({"a": ([0, 1, 2], [float("nan"), 0.0, 1.0])}, title="t", xlabel="x", ylabel="y", log_y=True)
    assert "nothing to draw" not in texts(svg)
    assert "nothing to draw" in texts(line_chart({"a": ([0], [0])}, title="t", xlabel="x", ylabel="y", log_y=True))
    assert "nothing to draw" in texts(line_chart({}, title="t", xlabel="x", ylabel="y"))


def test_whiskers_and_lines_that_are_no_total() -> None:
    plain = line_chart(SERIES, title="t", xlabel="x", ylabel="y", has_total=False)
    whiskers = line_chart(
        SERIES, title="t", xlabel="x", ylabel="y", has_total=False, intervals={"fgqa": [(2.5, 3.5), (1.0, 3.0)]}
    )
    assert whiskers.count(b"stroke: #ee6677") == plain.count(b"stroke: #ee6677") + 2
    assert b"stroke: #4477aa" in plain  # the first line has a colour like the others
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        line_chart(SERIES, title="t", xlabel="x", ylabel="y", intervals={"fgqa": [(2.5, 3.5)]})


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        line_chart({"a": ([0, 1], [1.0])}, title="t", xlabel="x", ylabel="y")


def test_smoothing_keeps_constants_and_calms_noise() -> None:
    assert smooth([2.0] * 50) == pytest.approx([2.0] * 50)
    assert smooth([1.0, 5.0, 3.0]) == [1.0, 5.0, 3.0]
    noisy = smooth([float(n % 2) for n in range(200)])
    assert len(noisy) == 200
    assert max(noisy) - min(noisy) < 0.35
    assert smooth([]) == []


def test_matplotlib_loads_only_to_draw() -> None:
    code = "import sys, perceptlm.report.curves, perceptlm.report.page, perceptlm.report.table\n"
    code += "assert not {'matplotlib', 'torch', 'jinja2', 'rich', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_histogram_has_a_bar_for_each_count() -> None:
    svg = histogram([0, 1, 2, 4], [3, 0, 5], title="words", xlabel="x", ylabel="n")
    assert {"words", "x", "n"} <= set(texts(svg))
    assert svg.count(b"fill: #4477aa") == 3
    assert histogram([0, 1, 2, 4], [3, 0, 5], title="words", xlabel="x", ylabel="n") == svg
    with pytest.raises(ValueError, match="2 counts need 3 edges, got 2"):
        histogram([0, 1], [1, 2], title="", xlabel="", ylabel="")
