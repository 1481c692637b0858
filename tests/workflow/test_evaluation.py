"""workflow.evaluation: a model directory is evaluated, with or without a manifest, and named in the result."""

import json
import os
import shutil

import pytest

from perceptlm.artifact import MANIFEST, read_manifest
from perceptlm.errors import ArtifactError
from perceptlm.eval.settings import EvalSettings, TokenLimits
from perceptlm.workflow.evaluation import evaluate_local

SETTINGS = EvalSettings(
    num_frames=8,
    variants=("own",),
    limit=1,
    max_new_tokens=TokenLimits(fgqa=1, sgqa=1, rcap=1, rtloc=1, rdcap=1, image=1),
    num_resamples=10,
)


def test_a_model_with_a_manifest_is_an_input(demo, tmp_path):
    out = evaluate_local(tmp_path / "eval", SETTINGS, data=demo / "world", model=demo / "sft")
    inputs = read_manifest(out).inputs
    assert {name: entry.digest for name, entry in inputs.items()} == {
        "data": read_manifest(demo / "world").digest,
        "model": read_manifest(demo / "sft").digest,
    }
    scores = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    assert scores["model"]["name"] == "sft"


def test_a_model_without_a_manifest_is_named_by_its_weights(demo, tmp_path):
    shutil.copytree(demo / "sft", tmp_path / "bare", copy_function=os.link)
    (tmp_path / "bare" / MANIFEST).unlink()
    out = evaluate_local(tmp_path / "eval", SETTINGS, data=demo / "world", model=tmp_path / "bare")
    assert set(read_manifest(out).inputs) == {"data"}
    model = json.loads((out / "scores.json").read_text(encoding="utf-8"))["model"]
    assert model["name"] == "bare"
    assert model["revision"]


def test_data_of_another_kind_is_refused(demo, tmp_path):
    with pytest.raises(ArtifactError, match="kind 'processor', but a 'world' or 'dataset' or 'worldbench' is needed"):
        evaluate_local(tmp_path / "eval", SETTINGS, data=demo / "processor", model=demo / "sft")


def test_the_blind_model_is_shown_the_grey_it_was_trained_on(demo, tmp_path, monkeypatch):
    clients = {}
    monkeypatch.setattr(
        "perceptlm.workflow.evaluation.evaluate",
        lambda model, *_, **more: clients.update(model=model.identity, blind=more["clients"]["trained_blind"].identity),
    )
    evaluate_local(tmp_path / "eval", SETTINGS, data=demo / "world", model=demo / "sft", blind=demo / "blind" / "sft")
    assert clients["model"].name == "sft"
    assert clients["blind"].name == "sft+blind-zero"
    assert clients["blind"].revision == read_manifest(demo / "blind" / "sft").digest
