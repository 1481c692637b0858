"""tools/check_sizes.py: the project keeps its budget, and planted violations are found."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOC = '"""Doc."""\n'


def lines_of_function(number, name="f"):
    return f"def {name}():\n" + "    x = 1\n" * (number - 1)


def test_the_project_keeps_its_budget(tool, capsys):
    assert tool("check_sizes").main([str(ROOT)]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    "text", [DOC + "x = 1\n" * 399, DOC + lines_of_function(60), DOC + "@a\n" + lines_of_function(60)]
)
def test_what_just_fits_passes(tool, project, text):
    assert tool("check_sizes").main([str(project({"__init__.py": DOC, "low.py": text}))]) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (DOC + "x = 1\n" * 400, "low.py:1: 401 lines, at most 400"),
        (DOC + lines_of_function(61), "low.py:2: f has 61 lines, at most 60"),
        (DOC + "class A:\n    async " + lines_of_function(61).replace("\n", "\n    "), "low.py:3: f has 61 lines"),
        ("x = 1\n", "low.py:1: the module does not say what it is for"),
        ("", "low.py:1: the module does not say"),
    ],
)
def test_a_planted_violation_is_found(tool, project, text, expected, capsys):
    assert tool("check_sizes").main([str(project({"__init__.py": DOC, "low.py": text}))]) == 1
    assert expected in capsys.readouterr().out
