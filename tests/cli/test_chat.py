"""`plm chat`: one answer per line of questions, about the same pictures, piped or typed."""

import io
import json
import os
import subprocess
import sys

import pytest

from perceptlm.cli.main import run


@pytest.fixture
def chat(random_model, files, monkeypatch, capsys):
    """Return a function: text on standard input and more options -> exit code, what was printed."""

    def call(text, *options, media=("--video", "clip.mp4")):
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        option, name = media
        arguments = ["chat", "--model", random_model, option, files[name], "--max-new-tokens", 4, *options]
        code = run([str(argument) for argument in arguments])
        return code, capsys.readouterr()

    return call


@pytest.mark.parametrize("media", [("--video", "clip.mp4"), ("--image", "still.png")])
def test_every_line_is_answered_on_its_own_as_generate_would(chat, random_model, files, capsys, media):
    questions = ["What does it do?", "It stops.", "What does it do?"]
    code, printed = chat("\n".join(questions), "--json", media=media)
    assert code == 0
    records = [json.loads(line) for line in printed.out.splitlines()]
    assert [record["question"] for record in records] == questions
    assert records[0]["answer"] == records[2]["answer"]
    option, name = media
    run(["generate", "--model", str(random_model), option, str(files[name]), questions[1], "--max-new-tokens", "4"])
    assert capsys.readouterr().out == records[1]["answer"] + "\n"


def test_bare_answers_go_to_stdout_and_nothing_else(chat):
    code, printed = chat("What?\n\n   \nWhy?")
    assert code == 0
    assert printed.err == ""
    _, as_json = chat("What?\nWhy?\n", "--json")
    answers = [json.loads(line)["answer"] for line in as_json.out.splitlines()]
    assert printed.out == "".join(answer + "\n" for answer in answers)


def test_no_question_is_no_answer(chat):
    code, printed = chat("")
    assert (code, printed.out, printed.err) == (0, "", "")


def test_the_pictures_are_encoded_once(chat, monkeypatch):
    from perceptlm.model import PerceptionLM

    calls = []
    encode = PerceptionLM.encode
    monkeypatch.setattr(PerceptionLM, "encode", lambda *arguments: calls.append(1) or encode(*arguments))
    assert chat("What?\nWhy?\nWhat?\n")[0] == 0
    assert len(calls) == 1


def test_a_question_that_does_not_fit_is_refused_and_the_next_one_answered(chat):
    code, printed = chat("why " * 2000 + "\nWhat?\n", "--json")
    assert code == 0
    assert printed.err.startswith("not asked: ")
    assert [json.loads(line)["question"] for line in printed.out.splitlines()] == ["What?"]


def test_a_bad_file_is_refused_before_a_question_is_read(chat):
    code, printed = chat("What?\n", media=("--video", "broken.mp4"))
    assert code == 1
    assert printed.out == ""
    assert "broken.mp4" in printed.err.replace("\n", "")
    assert "Traceback" not in printed.err
    assert sys.stdin.read() == "What?\n"


def test_image_and_video_exclude_each_other(random_model, files, capsys):
    options = ["--model", str(random_model), "--image", str(files["still.png"]), "--video", str(files["clip.mp4"])]
    assert run(["chat", *options]) == 2
    assert "give one of" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal to type at")
def test_who_types_is_told_how_to_end_and_ctrl_d_ends(random_model, files):
    controller, terminal = os.openpty()
    command = [sys.executable, "-m", "perceptlm", "chat", "--model", str(random_model), "--video"]
    options = [str(files["clip.mp4"]), "--max-new-tokens", "3", "--json"]
    with subprocess.Popen(
        [*command, *options], stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        os.write(controller, b"What?\n\x04")
        out, err = process.communicate(timeout=300)
    for descriptor in (controller, terminal):
        os.close(descriptor)
    assert process.returncode == 0
    assert json.loads(out)["question"] == "What?"
    assert "Ctrl-D ends" in err
    assert err.count("> ") == 2
