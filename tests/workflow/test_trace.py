"""workflow.trace: the life of one Sample, in words and in the files and tensors of every step."""

import json

import pytest
from safetensors.numpy import load_file

from perceptlm.data.sample_set import SampleSet
from perceptlm.errors import DataError
from perceptlm.workflow.trace import find_sample, trace

FILES = {
    "1-sample.json", "2-pictures.png", "3-example.txt", "3-example.safetensors", "5-loss.json", "5-model.safetensors",
    "6-answer.json", "life.md",
}  # fmt: skip


def test_every_step_leaves_its_file_and_the_story_names_it(traced):
    assert {path.name for path in traced.iterdir()} == FILES
    story = (traced / "life.md").read_text(encoding="utf-8")
    for name in FILES - {"life.md"}:
        assert f"`{name}`" in story
    assert [line for line in story.splitlines() if line.startswith("## ")] == [
        "## 1. The record", "## 2. Its pictures", "## 3. The Example", "## 4. The Batch", "## 5. The model",
        "## 6. The answer",
    ]  # fmt: skip


def test_the_files_agree_with_each_other(traced, demo):
    example, model = load_file(traced / "3-example.safetensors"), load_file(traced / "5-model.safetensors")
    loss = json.loads((traced / "5-loss.json").read_text())
    num_tokens = len(example["input_ids"])
    assert len((traced / "3-example.txt").read_text().splitlines()) == 1 + num_tokens
    assert model["logits"].shape[:2] == (1, num_tokens)
    assert len(model["vision_tokens"]) == len(example["pictures"]) == 8
    assert loss["num_targets"] == (example["targets"] >= 0).sum() > 0
    record = json.loads((traced / "1-sample.json").read_text())
    assert record == find_sample(demo / "world", None).to_dict()
    assert record["task"] == "rtloc"


def test_an_image_question_by_its_id(demo, tmp_path):
    samples = SampleSet.open(demo / "world", "validation", ("image_qa",)).samples
    out = trace(tmp_path / "out", world=demo / "world", model=demo / "sft", sample_id=samples[0].id)
    assert "one picture of" in (out / "life.md").read_text(encoding="utf-8")
    assert {path.name for path in out.iterdir()} == FILES


def test_an_unknown_id_is_named(demo):
    with pytest.raises(DataError, match="no sample with id 'nobody'"):
        find_sample(demo / "world", "nobody")
