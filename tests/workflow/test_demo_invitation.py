"""workflow.demo_invitation: what is asked is in the demo, and the lines survive a shell."""

import shlex
from pathlib import Path, PurePosixPath

import pytest

from perceptlm.artifact import read_manifest
from perceptlm.config import parse
from perceptlm.data.sample_set import SampleSet
from perceptlm.eval.outcomes import Row
from perceptlm.exchange.jsonl import read_records, write_records
from perceptlm.recipes.demo import DemoRecipe
from perceptlm.workflow.demo_invitation import OWN_FILE, Invitation, make_invitations


@pytest.fixture(scope="module")
def recipe(demo):
    return parse(DemoRecipe, read_manifest(demo).recipe)


def test_questions_and_files_are_those_of_the_demo(demo, recipe):
    found = make_invitations(demo, recipe, shown_as=PurePosixPath("some/where"))
    assert [invitation.arguments[0] for invitation in found] == ["generate", "generate", "chat", "generate"]
    asked = {}
    for sample in SampleSet.open(demo / "world", "benchmark").samples:
        asked.setdefault(sample.media[0].path, []).append(sample.question)
    for invitation in found:
        verb, _, model, option, path, *question = invitation.arguments
        assert model == "some/where/sft"
        if path == OWN_FILE:
            continue
        relative = PurePosixPath(path).relative_to("some/where/world").as_posix()
        assert (demo / "world" / relative).is_file()
        assert option == ("--image" if relative.endswith(".png") else "--video")
        assert (verb == "chat") == (question == [])
        assert all(any(text.endswith(words) for text in asked[relative]) for words in question)


def test_the_best_answered_question_is_taken(demo, recipe, copy_demo):
    folder = copy_demo()
    path = folder / "eval" / "rows.jsonl"
    rows = list(read_records(path, Row))
    chosen = [row.id for row in rows if row.row == "image" and row.variant == "own" and "\n" not in row.prompt][-1]
    changed = [
        row.model_copy(update={"score": row.score.model_copy(update={"score": float(row.id == chosen)})})
        for row in rows
        if row.score.outcome == "value" and row.task != "sgqa"
    ]
    path.unlink()
    write_records(path, changed)
    picture, own = make_invitations(folder, recipe, shown_as=Path())
    sample = next(s for s in SampleSet.open(demo / "world", "benchmark").samples if s.id == chosen)
    assert picture.arguments[-2:] == (f"world/{sample.media[0].path}", sample.question)
    assert " ".join(sample.reference.split()) in picture.about
    assert OWN_FILE in own.arguments  # no clip was asked about: nothing is made up


@pytest.mark.parametrize("question", ["What's $HOME?", 'a "b" `c` \\ d', "two\nlines", "x; rm -rf /"])
def test_a_shell_passes_the_question_on_as_it_is(question):
    line = Invitation("", ("generate", "--video", "a b.mp4", question)).line("'my env/plm'")
    assert shlex.split(line) == ["my env/plm", "generate", "--video", "a b.mp4", question]
