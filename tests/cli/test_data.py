"""`plm data`: what it prints, and when it exits with 1."""

import json

import pytest

from perceptlm.cli.main import run
from perceptlm.exchange.jsonl import encode_line
from perceptlm.schema import MediaRef, Origin, Sample, TextAnswer, Turn


def sample(id, **changes):
    values = {
        "id": id,
        "task": "image_qa",
        "split": "train",
        "media": (MediaRef(kind="image", path="train/a.png", width=8, height=8),),
        "turns": (Turn(role="user", text="q"), Turn(role="assistant", text="a")),
        "answer": TextAnswer(text="a"),
        "origin": Origin(kind="program", name="test", revision="1", licence="CC0-1.0"),
        "cluster": id,
        "template": "t",
        "dimension": "what",
    }
    return Sample.model_validate(values | changes)


@pytest.fixture
def dataset(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.png").touch()

    def write(*records):
        lines = [record if isinstance(record, bytes) else encode_line(record) for record in records]
        (tmp_path / "train" / "samples.jsonl").write_bytes(b"".join(lines))
        return tmp_path

    return write


def call(*arguments):
    return run(["data", *map(str, arguments)])


def test_a_good_dataset_passes_everything(dataset, capsys, tmp_path):
    root = dataset(sample("a"), sample("b"))
    assert (
        call("validate", root) == call("audit", root, "--content") == call("stats", root, "--out", tmp_path / "o") == 0
    )
    shown = capsys.readouterr()
    assert f"{root}: good (train 2 records; 1 media files)" in shown.out
    assert "2 records: passed" in shown.out
    assert "wrote" in shown.err
    assert (tmp_path / "o" / "profile.html").is_file()


def test_validate_lists_and_exits_with_1(dataset, capsys):
    root = dataset(sample("a"), b"\x1b[2J\n", sample("a"), b"{}\n")
    assert call("validate", root, "--limit", 2) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("train/samples.jsonl:2: not a JSON line")
    assert lines[1] == "train/samples.jsonl:3: id a was already used in samples.jsonl:1"
    assert lines[2] == "... and 1 more"
    assert lines[3].startswith(f"{root}: 3 problems")
    assert call("validate", root, "--json") == 1
    assert json.loads(capsys.readouterr().out)["num_problems"] == 3


def test_decode_opens_media(dataset, capsys):
    assert call("validate", dataset(sample("a")), "--decode") == 1
    assert "train/samples.jsonl:1: train/a.png:" in capsys.readouterr().out


def test_audit_says_why_and_exits_with_1(dataset, capsys):
    origin = Origin(kind="model", name="GPT-4o\x1b[2J", revision="2024-08-06", licence="MIT")
    closed = Origin(kind="model", name="GPT-4o", revision="2024-08-06", licence="MIT")
    root = dataset(sample("a"), sample("b", origin=closed), sample("c", origin=origin))
    assert call("audit", root) == 1
    shown = capsys.readouterr().out
    assert "failed: closed model: 1 records" in shown
    assert "OpenAI's terms forbid developing competing models with its output" in shown
    assert "at train/samples.jsonl:2" in shown
    assert "hint: leave these records out" in shown
    assert "3 records: failed: 2 faults of 2 kinds" in shown
    assert "\x1b" not in shown
    assert call("audit", root, "--json") == 1
    assert json.loads(capsys.readouterr().out)["passed"] is False


def test_list_selects(capsys):
    assert call("list", "--kind", "text", "--stage", "sft", "--notes") == 0
    shown = capsys.readouterr().out
    assert "natural-reasoning" in shown
    assert "gsm8k: 7,473 questions in two forms" in shown
    assert "vatex" not in shown
    assert call("list", "--stage", "midtrain", "--json") == 0
    keys = {item["key"] for item in json.loads(capsys.readouterr().out)["datasets"]}
    assert "pdfacc-cap" in keys
    assert "plm-fgqa" not in keys


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "--kind", "audio"], "there is no kind 'audio'"),
        (["list", "--stage", "warmup"], "there is no blend of 'warmup'"),
        (["mixture", "warmup"], "there is no published blend of 'warmup'"),
        (["mixture", "none.yaml"], "none.yaml: cannot be read"),
        (["validate", "none"], "none: there is no such directory"),
        (["audit", "none"], "none: there is no such directory"),
        (["stats", "none"], "none: there is no such directory"),
    ],
)
def test_bad_arguments(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call(*arguments) in (1, 2)
    assert message in capsys.readouterr().err


def test_mixture_published_and_own(dataset, capsys):
    assert call("mixture", "sft") == 0
    shown = capsys.readouterr().out
    assert "19,172,500 rows in 28 lines; Table 8 prints 19,100,000: -72,500" in shown
    assert "labels by Claude, a closed model: pixmo-cap" in shown
    root = dataset(sample("a"), sample("b"))
    (root / "blend.yaml").write_text("sources: [{name: mine, data: ., repeats: 2.5}]")
    assert call("mixture", root / "blend.yaml") == 0
    assert "5 rows per epoch" in capsys.readouterr().out


def test_the_bar_counts_records(dataset, capsys, monkeypatch):
    from perceptlm import log

    monkeypatch.setattr(log.console(), "_force_terminal", True)
    assert call("validate", dataset(sample("a"), sample("b"))) == 0
    assert call("validate", "/none") == 1
