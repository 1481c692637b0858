"""cli.verify: good artifacts pass, problems are printed and counted in the exit code."""

import json

import pytest

from perceptlm.artifact import build
from perceptlm.cli.main import run


@pytest.fixture
def child(tmp_path):
    """An artifact made from another one."""

    def fill(partial):
        (partial / "a.txt").write_text("a")

    parent = build(tmp_path / "parent", kind="toy", recipe={}, make=fill)
    return build(tmp_path / "child", kind="toy", recipe={}, make=fill, inputs={"data": parent})


def test_a_good_artifact(child, capsys):
    assert run(["verify", str(child)]) == 0
    assert capsys.readouterr().out.startswith(f"{child}: good (toy, 1 files, digest ")


def test_problems_are_printed_and_exit_1(child, capsys):
    (child / "a.txt").write_text("b")
    (child / "b.txt").write_text("b")
    assert run(["verify", str(child)]) == 1
    assert capsys.readouterr().out == f"{child}/a.txt: differs from the manifest\n{child}/b.txt: not in the manifest\n"


def test_json(child, capsys):
    (child / "a.txt").write_text("b")
    assert run(["verify", str(child), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["num_files"]) == ("toy", 1)
    assert found["problems"] == [f"{child}/a.txt: differs from the manifest"]


def test_lineage_may_be_left_out(child):
    (child.parent / "parent" / "a.txt").write_text("b")
    assert run(["verify", str(child)]) == 1
    assert run(["verify", str(child), "--no-lineage"]) == 0


def test_what_is_no_artifact_is_an_error(tmp_path, capsys):
    assert run(["verify", str(tmp_path / "none")]) == 1
    assert "no such directory" in capsys.readouterr().err
