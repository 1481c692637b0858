"""The mix of lengths: whole blends, the published longest sequences, the same draws for the same names."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from perceptlm.data.catalogue import published_blend
from perceptlm.recipes.length_mix import LengthMix, TextLength, draw_samples, length_mix, mean_sample
from perceptlm.recipes.plm_stages import STAGES, plm_stage


@pytest.mark.parametrize("name", STAGES)
def test_draws_fit_the_stage_and_have_the_mean_that_is_said(name):
    stage = plm_stage("plm_1b", name)
    drawn, mean = draw_samples(stage, 20000, 3), mean_sample(stage)
    assert drawn.num_tokens.max() <= stage.max_tokens
    assert drawn.num_pictures.max() <= max(1 + stage.max_tiles, stage.num_frames)
    assert (drawn.num_supervised < drawn.num_tokens).all()
    assert drawn.num_pictures.mean() == pytest.approx(mean.num_pictures, rel=0.01)
    assert drawn.num_tokens.mean() == pytest.approx(mean.num_tokens, rel=0.01)
    assert drawn.num_supervised.mean() == pytest.approx(mean.num_supervised, rel=0.05)
    # Only captions of the warm-up come near to what fits; the reference drops or cuts them too.
    assert drawn.num_cut == 0 if name != "warmup" else 0 < drawn.num_cut < 0.1 * 20000


def test_shares_are_those_of_the_published_blends():
    mix = length_mix()
    for name in STAGES:
        assert sum(mix.shares(name)) == pytest.approx(1)
    lines = {line.line.key: line.share for line in published_blend("sft").lines}
    texts = sum(share for kind, share in zip(mix.kinds, mix.shares("sft"), strict=True) if kind.media == "none")
    assert texts == pytest.approx(lines["natural-reasoning"] + lines["text-qa"])
    videos = sum(share for kind, share in zip(mix.kinds, mix.shares("sft"), strict=True) if kind.media == "video")
    drawn = draw_samples(plm_stage("plm_1b", "sft"), 20000, 0)
    kinds = np.array([kind.media == "video" for kind in mix.kinds])[drawn.kinds]
    assert kinds.mean() == pytest.approx(videos, abs=0.01)
    assert (drawn.num_pictures[kinds] == 32).all()


def test_draws_follow_from_seed_and_names_alone():
    stage = plm_stage("plm_1b", "sft")
    one, again, other = (draw_samples(stage, 50, 1, "step", step) for step in (4, 4, 5))
    assert (one.num_tokens == again.num_tokens).all()
    assert (one.kinds == again.kinds).all()
    assert (one.num_tokens != other.num_tokens).any()


def test_texts_have_the_mean_that_they_are_given():
    drawn = TextLength(mean=40, spread=1.0).draw(np.random.default_rng(0), (50000, 1))
    assert drawn.min() >= 1
    assert drawn.mean() == pytest.approx(40, rel=0.03)


def test_every_line_is_shared_out_whole():
    values = length_mix().to_dict()
    text = next(kind for kind in values["kinds"] if "text-qa" in kind["lines"])
    text["lines"] = {"text-qa": 0.5}
    with pytest.raises(ValidationError, match=r"the parts of line 'text-qa' sum to 0\.8"):
        LengthMix.model_validate(values)
    text["lines"] = {}
    values["kinds"] = [kind for kind in values["kinds"] if "text-qa" not in kind["lines"]]
    with pytest.raises(ValidationError, match="lack: text-qa"):
        LengthMix.model_validate(values)
