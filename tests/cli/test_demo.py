"""`plm demo`: which recipe its options choose, where it goes, and that what it prints at the end works."""

import html
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from perceptlm.cli.demo import program_name
from perceptlm.cli.main import run
from perceptlm.config import load_yaml
from perceptlm.recipes import demo as recipes
from perceptlm.workflow.demo_invitation import OWN_FILE, make_invitations


@pytest.mark.parametrize(
    ("options", "out", "recipe"),
    [
        ([], "out/demo", recipes.demo()),
        (["--minutes", "15"], "out/demo", recipes.demo()),
        (["--minutes", "60"], "out/demo-60", recipes.demo(minutes=60)),
        (["--minutes", "60", "--out", "x"], "x", recipes.demo(minutes=60)),
        (["--smoke"], "out/demo", recipes.smoke()),
    ],
)
def test_dry_run_says_what_would_be_made_and_where(options, out, recipe, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["demo", *options, "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert f"# would make {out}:" in text
    (tmp_path / "recipe.yaml").write_text(text)
    assert load_yaml(recipes.DemoRecipe, tmp_path / "recipe.yaml") == recipe
    assert run(["demo", *options, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["out"] == out
    assert plan["plan"]["steps with pixels"] == {stage.name: stage.num_steps for stage in recipe.stages}
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]


@pytest.mark.parametrize("minutes", ["14", "241", "-5", "0", "soon"])
def test_other_minutes_are_refused(minutes, capsys):
    assert run(["demo", "--minutes", minutes, "--dry-run"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "--minutes" in printed.err


@pytest.mark.parametrize("other", [["--smoke"], ["--recipe", "mine.yaml"]])
def test_minutes_go_with_no_other_recipe(other, capsys):
    assert run(["demo", "--minutes", "60", *other, "--dry-run"]) == 2
    assert "--minutes chooses the size of the built-in recipe" in capsys.readouterr().err.replace("\n", " ")


def test_the_program_is_named_as_it_can_be_called_from_here(tmp_path, monkeypatch):
    python, plm = tmp_path / "my env" / "bin" / "python", tmp_path / "my env" / "bin" / "plm"
    python.parent.mkdir(parents=True)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("PATH", "/usr/bin")
    assert shlex.split(program_name()) == [str(python), "-m", "perceptlm"]
    plm.write_text("#!/bin/sh\n")
    plm.chmod(0o755)
    assert shlex.split(program_name()) == [str(plm)]
    monkeypatch.chdir(tmp_path)
    assert program_name() == "'my env/bin/plm'"
    monkeypatch.setenv("PATH", f"{plm.parent}{os.pathsep}/usr/bin")
    assert program_name() == "plm"


@pytest.fixture
def printed_lines(demo, capsys):
    """The commands that the small demo invites to at its end, as printed."""
    assert run(["demo", "--smoke", "--out", str(demo)]) == 0
    _, _, tail = capsys.readouterr().err.partition("Try it\n")
    return [line for line in tail.splitlines() if line and not line.startswith("#")]


def test_the_printed_lines_work_as_printed(demo, printed_lines, tmp_path):
    video = next((demo / "world" / "benchmark" / "videos").glob("*.mp4"))
    assert len(printed_lines) >= 3
    assert [OWN_FILE in line for line in printed_lines] == [False] * (len(printed_lines) - 1) + [True]
    for line in printed_lines:
        command = line.replace(OWN_FILE, shlex.quote(str(video))) + " --max-new-tokens 2 --json"
        done = subprocess.run(
            ["/bin/sh", "-c", command], input="What?\n", capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        assert isinstance(json.loads(done.stdout)["answer"], str)


def test_the_lines_on_the_page_work_from_its_directory(demo, monkeypatch, capsys):
    monkeypatch.chdir(demo)
    page = html.unescape((demo / "report.html").read_text(encoding="utf-8"))
    for invitation in make_invitations(demo, recipes.smoke(), shown_as=Path()):
        if invitation.arguments[0] == "generate" and OWN_FILE not in invitation.arguments:
            assert run([*invitation.arguments, "--max-new-tokens", "2"]) == 0
            assert capsys.readouterr().err == ""
        assert invitation.line("plm") in page
