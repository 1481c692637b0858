"""`plm generate` on files of every kind, with a model of random weights."""

import json

import pytest

from perceptlm.cli.main import run


@pytest.mark.parametrize(
    ("option", "name", "kind", "num_pictures"),
    [
        ("--video", "clip.mp4", "video", 4),
        ("--video", "clip.gif", "video", 4),
        ("--image", "still.jpg", "image", 1),
        ("--image", "still.png", "image", 1),
    ],
)
def test_answers_about_files(random_model, files, capsys, option, name, kind, num_pictures):
    arguments = ["generate", "--model", str(random_model), option, str(files[name]), "What does it do?"]
    assert run([*arguments, "--max-new-tokens", "4", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["media"], record["num_pictures"]) == (kind, num_pictures)
    assert record["num_new_tokens"] <= 4
    assert run([*arguments, "--max-new-tokens", "4"]) == 0
    assert capsys.readouterr().out == record["answer"] + "\n"


def test_frames_temperature_and_seed_are_passed_on(random_model, files, capsys):
    arguments = ["generate", "--model", str(random_model), "--video", str(files["clip.mp4"]), "What?", "--json"]
    answers = []
    for seed in ("1", "2", "1"):
        options = ["--num-frames", "2", "--temperature", "1.5", "--seed", seed, "--max-new-tokens", "8"]
        assert run([*arguments, *options]) == 0
        record = json.loads(capsys.readouterr().out)
        assert record["num_pictures"] == 2
        answers.append(record["answer"])
    assert answers[0] == answers[2] != answers[1]


@pytest.mark.parametrize("shown_as", ["outline", "tint", "dim"])
@pytest.mark.parametrize(("option", "name"), [("--video", "clip.mp4"), ("--image", "still.png")])
def test_boxes_are_shown(random_model, files, capsys, option, name, shown_as):
    arguments = ["generate", "--model", str(random_model), option, str(files[name]), "What?", "--max-new-tokens", "2"]
    code = run([*arguments, "--box", "2,3,20,12", "--box", "5,5,9,9", "--shown-as", shown_as])
    assert code == 0
    for box, message in (
        ("1,2,3", "'1,2,3' is not a box"),
        ("900,900,999,999", "region 0: box of frame 0 is outside the"),
    ):
        assert run([*arguments, "--box", box]) != 0
        assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--box", "2,3,20,12", "--shown-as", "text"], "region 0 is shown as text, but no question says where it is"),
        (["--shown-as", "dim"], "--shown-as dim is of boxes, and there are none"),
    ],
)
def test_a_box_that_nobody_would_see(random_model, files, capsys, extra, message):
    assert run(["generate", "--model", str(random_model), "--image", str(files["still.png"]), "What?", *extra]) != 0
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("media", "message"),
    [
        ([], "give one of --video FILE and --image FILE"),
        (["--video", "broken.mp4"], "broken.mp4"),
        (["--image", "nowhere.png"], "nowhere.png"),
        (["--image", "still.png", "--video", "clip.mp4"], "give one of"),
    ],
)
def test_bad_media_is_one_sentence_and_an_exit_code(random_model, files, capsys, media, message):
    named = [str(files[part].parent / part) if part in files else part for part in media]
    assert run(["generate", "--model", str(random_model), *named, "What?"]) != 0
    printed = capsys.readouterr()
    assert message in printed.err.replace("\n", "")
    assert "Traceback" not in printed.err
    assert printed.out == ""


def test_a_directory_without_a_model(tmp_path, files, capsys):
    assert run(["generate", "--model", str(tmp_path), "--image", str(files["still.png"]), "What?"]) == 1
    assert "config.json: missing" in capsys.readouterr().err.replace("\n", " ")


def test_a_question_that_does_not_fit_is_an_error(random_model, files, capsys):
    arguments = ["generate", "--model", str(random_model), "--image", str(files["still.png"]), "why " * 2000]
    assert run(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
