"""train.parts.drills: questions about the lines of a dense caption, each with the answer the caption gives."""

import re

import numpy as np
import pytest

from perceptlm.preprocess.conversation import resolved_turns
from perceptlm.train.parts.drills import drills
from perceptlm.train.parts.written_scenes import write_scenes
from perceptlm.world.samples import samples_of_split
from perceptlm.world.settings import WorldSettings

NUM_FRAMES = 16


@pytest.fixture(scope="module")
def samples():
    scenes = write_scenes(WorldSettings(), {"video": 12, "image": 2}, NUM_FRAMES, 4, "train", 3)
    return samples_of_split([record for _, record in scenes], 1)


def _texts(sample):
    turns = resolved_turns(sample, num_frames=NUM_FRAMES)
    return turns[0].text, turns[1].text


def _lines(sample):
    return re.findall(r"\[(\d+), (\d+)\]: (.*)", _texts(sample)[1])


def test_only_dense_captions_give_drills(samples):
    rng = np.random.default_rng(0)
    for sample in samples:
        assert bool(drills(sample, NUM_FRAMES, 2, rng)) == (sample.task == "rdcap")


def test_a_span_is_that_of_the_line_asked_for(samples):
    asked = 0
    for sample in samples:
        lines = _lines(sample)
        for drill in drills(sample, NUM_FRAMES, 0, np.random.default_rng(1)):
            question, reply = _texts(drill)
            named = [
                (start, end) for start, end, caption in lines if caption.lower().removesuffix(".") in question.lower()
            ]
            assert re.fullmatch(r"\[(\d+), (\d+)\]", reply).groups() in named
            assert drill.task == "rtloc"
            asked += 1
    assert asked > 20


def test_a_moment_is_told_by_the_line_it_lies_in(samples):
    for sample in samples:
        lines = _lines(sample)
        moments = [d for d in drills(sample, NUM_FRAMES, NUM_FRAMES, np.random.default_rng(2)) if d.task == "rcap"]
        assert len(moments) == (NUM_FRAMES if sample.task == "rdcap" else 0)
        for drill in moments:
            question, reply = _texts(drill)
            number = int(re.search(r"frames \[(\d+), \1\]", question).group(1))
            # Sampled frames and frame numbers are two grids, at most one apart (facts/evaluation.md 1.5).
            assert reply in [caption for start, end, caption in lines if int(start) - 1 <= number <= int(end) + 1]


def test_drills_keep_the_pictures_of_their_caption_and_have_ids_of_their_own(samples):
    for sample in samples:
        found = drills(sample, NUM_FRAMES, 4, np.random.default_rng(3))
        assert len({drill.id for drill in found}) == len(found)
        assert all(drill.media == sample.media and drill.regions == sample.regions for drill in found)
