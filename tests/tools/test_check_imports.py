"""tools/check_imports.py: the project obeys its own page, and planted violations are found."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def found(tool, project, files, capsys):
    code = tool("check_imports").main([str(project(files))])
    lines = capsys.readouterr().out.splitlines()
    assert code == (1 if len(lines) > 1 else 0)
    return [line.partition("/src/perceptlm/")[2] for line in lines[:-1]]


def test_the_project_obeys(tool, capsys):
    assert tool("check_imports").main([str(ROOT)]) == 0, capsys.readouterr().out


def test_the_page_is_read(tool):
    rules = tool("check_imports").parse_rules((ROOT / "docs" / "architecture.md").read_text())
    assert rules.rank["errors"] == 0
    assert rules.rank["cli"] == max(rules.rank.values())
    assert rules.rank["batch"] == rules.rank["clients"]
    assert frozenset(("model", "preprocess")) in rules.separate
    assert frozenset(("batch", "clients")) not in rules.separate
    assert {("train", "eval"), ("eval", "model"), ("annotate", "inference")} <= set(rules.never)
    assert "model" in rules.torch_layers
    assert "eval" not in rules.torch_layers
    assert "utils" in rules.banned_names


@pytest.mark.parametrize(
    "text",
    [
        "",
        "## Who may import whom\n",
        "## Who may import whom\n```\na\na\n```\n",
        "## Who may import whom\n```\na\n```\n",
    ],
)
def test_a_page_without_rules_is_an_error(tool, text):
    with pytest.raises(ValueError, match=r"architecture\.md"):
        tool("check_imports").parse_rules(text)


def test_allowed_imports_pass(tool, project, capsys):
    files = {
        "low.py": "import json\nimport perceptlm.also_low\n",
        "also_low.py": "from perceptlm import low\nfrom perceptlm import __version__\n",
        "left/__init__.py": "import torch\n",
        "left/a.py": "from . import b\nfrom ..low import x\n",
        "left/b.py": "from perceptlm.left.a import y\n",
        "top.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\n"
        "def f():\n    import torch\n    from perceptlm.eval import z\n",
        "eval.py": "",
        "__main__.py": "from perceptlm.top import f\n",
    }
    assert found(tool, project, files, capsys) == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"low.py": "\nfrom perceptlm.left import a\n"}, "low.py:2: low is below left"),
        ({"low.py": "def f():\n    import perceptlm.top\n"}, "low.py:2: low is below top"),
        (
            {"low.py": "class A:\n    def f(self):\n        from perceptlm import top\n", "top.py": ""},
            "low.py:3: low is below",
        ),
        ({"left/a.py": "from ..right import b\n"}, "left/a.py:1: left and right may not import each other"),
        ({"left/c/d.py": "from ...right import b\n"}, "left/c/d.py:1: left and right may not"),
        ({"train.py": "from perceptlm import eval\n", "eval.py": ""}, "train.py:1: train and eval may not"),
        ({"stray.py": ""}, "stray.py:1: 'stray' stands in no layer"),
        ({"left/utils.py": ""}, "left/utils.py:1: a name such as 'utils'"),
        ({"left/misc/a.py": ""}, "left/misc/a.py:1: a name such as 'misc'"),
        ({"low.py": "import torch.nn\n"}, "low.py:1: importing this loads torch: perceptlm.low -> torch.nn"),
        ({"low.py": "try:\n    import torch\nexcept ImportError:\n    pass\n"}, "low.py:2: importing this loads torch"),
        ({"low.py": "from safetensors.torch import save_file\n"}, "low.py:1: importing this loads torch"),
        ({"__init__.py": "import torch\n"}, "__init__.py:1: importing this loads torch"),
    ],
)
def test_a_planted_violation_is_found(tool, project, files, expected, capsys):
    assert any(line.startswith(expected) for line in found(tool, project, files, capsys))


def test_torch_is_found_through_other_modules_and_their_packages(tool, project, capsys):
    files = {"left/__init__.py": "import torch\n", "left/a.py": "", "top.py": "from perceptlm.left.a import x\n"}
    assert any("perceptlm.top -> perceptlm.left" in line for line in found(tool, project, files, capsys))


def test_a_forbidden_part_is_found_through_a_third(tool, project, capsys):
    files = {"eval.py": "import perceptlm.pretrained\n", "pretrained.py": "def f():\n    import perceptlm.left\n"}
    files["left.py"] = ""
    expected = "eval.py:1: eval never imports left: perceptlm.eval -> perceptlm.pretrained -> perceptlm.left"
    assert expected in found(tool, project, files, capsys)
