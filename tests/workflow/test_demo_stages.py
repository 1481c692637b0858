"""workflow.demo_stages: what goes wrong on either side ends both, and is told."""

from multiprocessing import active_children

import pytest

from perceptlm.errors import ArtifactError, PerceptLMError
from perceptlm.recipes.demo import smoke
from perceptlm.workflow import demo_stages
from perceptlm.workflow.demo_clock import Clock
from perceptlm.workflow.demo_stages import Chain, train_with_and_without_pixels


def _chain(demo, processor):
    parts = {kind: demo / "parts" / name for kind, name in smoke().parts.items()}
    return Chain(smoke().stages, demo / "world", processor, parts, 0)


def test_an_error_with_pixels_is_told_at_once_and_leaves_no_process(demo, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise PerceptLMError("the disk is full")

    monkeypatch.setattr(demo_stages, "train_stage", fail)
    with pytest.raises(PerceptLMError, match="the disk is full"):
        train_with_and_without_pixels(_chain(demo, demo / "processor"), tmp_path, Clock(tmp_path, "timings"))
    assert active_children() == []


def test_an_error_without_pixels_is_told_at_the_end(demo, tmp_path, monkeypatch):
    # In this process only: the other one finds no processor.
    monkeypatch.setattr(demo_stages, "train_stage", lambda out, *arguments, **options: out)
    with pytest.raises(ArtifactError, match="nowhere"):
        train_with_and_without_pixels(_chain(demo, tmp_path / "nowhere"), tmp_path, Clock(tmp_path, "timings"))
    assert active_children() == []
