"""What judges are told: our own words, a file's, or those of a made-up lmms-eval laid out as the real one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from perceptlm.errors import ConfigError
from perceptlm.eval.judges.lmms_wording import PLACE, installed_wording, read_wording
from perceptlm.eval.judges.opening import wording_of
from perceptlm.eval.judges.protocol import JudgeCall
from perceptlm.eval.judges.wording import OWN, PAPER, STRICT, PromptPair, Wording

ANSWER = JudgeCall("answer", "Which {prediction}?", "the {question}", "{reference} and {other}")
CAPTION = JudgeCall("caption", None, "a cat sits", "a dog")

# Made up, in the shape of the real file: imports that must not run, and two functions of plain assignments.
MADE_UP = '''
import json
import a_module_that_does_not_exist

raise SystemExit("this file must never be run")


def something_else():
    for number in range(3):
        print(number)


def get_caption_judge_prompt(gt, pred):
    """Made up."""
    sys_prompt = (
        "Made up: give a number. "
        'As {"score": <int>} please.'
    )
    user_prompt = f"Told: {pred}\\nTrue: {gt}\\n"
    messages = [
        {"role": "system", "content": sys_prompt},
        {"role": "user", "content": user_prompt},
    ]
    return messages


def get_sgqa_judge_prompt(question, pred, target):
    lead = "Made up too. "
    return [
        {"role": "system", "content": lead + "Yes or no?"},
        {"role": "user", "content": f"Q {question} T {target} " f"P {pred} " '{"pred": "yes"}}.'},
    ]
'''


def write_package(root: Path, text: str = MADE_UP) -> Path:
    file = root / "lmms_eval" / PLACE
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    (root / "lmms_eval" / "__init__.py").write_text("raise SystemExit('must never be imported')")
    return file


@pytest.mark.parametrize("inner", [".", "lmms_eval", "lmms_eval/tasks/plm_videobench/eval_utils.py"])
def test_lmms_evals_wording_is_read_and_never_run(tmp_path: Path, inner: str) -> None:
    write_package(tmp_path)
    wording = read_wording(tmp_path / inner)
    system, user = wording.turns(CAPTION)
    assert (system.role, user.role) == ("system", "user")
    assert system.text == 'Made up: give a number. As {"score": <int>} please.'
    assert user.text == "Told: a dog\nTrue: a cat sits\n"
    system, user = wording.turns(ANSWER)
    assert system.text == "Made up too. Yes or no?"
    assert user.text == 'Q Which {prediction}? T the {question} P {reference} and {other} {"pred": "yes"}}.'
    assert "plm_videobench" in wording.source


def test_an_installed_lmms_eval_is_found_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_package(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert wording_of("lmms-eval-0.7.2") == installed_wording() == read_wording(tmp_path)
    assert "lmms_eval" not in sys.modules


def test_without_lmms_eval_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="not installed") as caught:
        wording_of("lmms-eval-0.7.2")
    assert "--judge-wording" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("def get_sgqa_judge_prompt", "def other", "no function get_sgqa_judge_prompt"),
        ("return messages", "return make(messages)", "list of messages"),
        ("{pred}\\nTrue", "{pred!r}\\nTrue", "no plain text"),
        ("{gt}", "{answer}", "'answer' is none"),
        ("{gt}", "", "reference"),
        ("lead = ", "lead = lead + ", "refer to each other"),
        ('"role": "system", "content": sys', '"role": "tool", "content": sys', "not of the system"),
        ('    """Made up."""', "    import os", "no assignment"),
        ("def something_else():", "def something_else(:", "cannot be read as Python"),
    ],
)
def test_another_shape_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in MADE_UP
    write_package(tmp_path, MADE_UP.replace(old, new))
    with pytest.raises(ConfigError, match=message) as caught:
        read_wording(tmp_path)
    assert "eval_utils.py" in str(caught.value)


def test_a_folder_without_lmms_eval_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no lmms_eval"):
        read_wording(tmp_path)


def test_a_file_of_texts_is_read(tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    path.write_text(
        "answer: {system: '', user: 'Q {question} R {reference} P {prediction} {x}'}\n"
        "caption: {system: S, user: 'R {reference} P {prediction}'}\n"
    )
    wording = wording_of("strict", path)
    assert [turn.role for turn in wording.turns(ANSWER)] == ["user"]
    assert wording.turns(CAPTION)[1].text == "R a cat sits P a dog"
    path.write_text("answer: {system: '', user: 'R {reference}'}\ncaption: {system: S, user: 'R'}\n")
    with pytest.raises(ConfigError, match=r"words.yaml.*prediction"):
        wording_of("strict", path)


def test_our_words_say_which_text_is_the_reference() -> None:
    for wording in OWN.values():
        for call in (ANSWER, CAPTION):
            system, user = wording.turns(call)
            assert "reference" in system.text
            assert f"<reference>\n{call.reference}\n</reference>" in user.text
            assert f"<prediction>\n{call.prediction}\n</prediction>" in user.text
    assert "a number from 0 to 10 and nothing else" in PAPER.turns(CAPTION)[1].text
    assert '"score"' in STRICT.turns(CAPTION)[1].text


def test_the_hash_is_of_the_words_only() -> None:
    assert STRICT.prompt_hash != PAPER.prompt_hash
    assert STRICT.model_copy(update={"source": "elsewhere"}).prompt_hash == STRICT.prompt_hash
    other = PromptPair(system=STRICT.caption.system + " ", user=STRICT.caption.user)
    assert Wording(answer=STRICT.answer, caption=other).prompt_hash != STRICT.prompt_hash
