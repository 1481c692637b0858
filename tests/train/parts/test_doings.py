"""train.parts.doings: every vision token is asked what is happening there, and since which of the frames shown."""

import numpy as np
import pytest

from perceptlm.batch import IGNORED_TARGET
from perceptlm.train.parts.doings import doings
from perceptlm.train.parts.written_scenes import write_scenes
from perceptlm.world.lexicon import VERBS, third_person
from perceptlm.world.settings import WorldSettings


@pytest.fixture(scope="module")
def scenes():
    return [scene for scene, _ in write_scenes(WorldSettings(), {"video": 40, "image": 2}, 16, 4, "train", 3)]


def _doings(scene, tokenizer, frames=None):
    rng = np.random.default_rng(0)
    return doings(scene.scene, frames or scene.frames, scene.shares, tokenizer, rng)


def test_verbs_and_directions_stand_where_and_when_things_happen(scenes, tokenizer):
    seen = set()
    for written in scenes:
        scene = written.scene
        words = _doings(written, tokenizer)[..., 0]
        for frame, cell in np.argwhere(words != IGNORED_TARGET):
            thing = int(written.shares[frame, :, cell].argmax())
            now = written.frames[frame]
            events = [e for e in scene.events_of(thing) if e.start_frame <= now <= e.end_frame]
            word = tokenizer.decode([int(words[frame, cell])]).strip()
            seen.add(word)
            if not events:
                assert word == "stays"
                continue
            verb = third_person(VERBS[events[0].action][0]).split()[0]
            assert word in (verb, "left", "right", "up", "down", "top", "bottom")
    assert {"stays", "jumps", "grows", "left", "right"} <= seen


def test_what_cannot_be_told_is_not_asked(scenes, tokenizer):
    for written in scenes:
        words = _doings(written, tokenizer)
        assert words.shape == (len(written.frames), 16, 2)
        assert (words[written.shares.max(axis=1) < 0.05] == IGNORED_TARGET).all()
        if written.scene.egocentric or len(written.frames) == 1:
            assert (words == IGNORED_TARGET).all()
    assert any(scene.scene.egocentric for scene in scenes)


def test_since_when_is_the_first_frame_of_what_is_going_on(scenes, tokenizer):
    checked = 0
    for written in scenes:
        tokens = _doings(written, tokenizer)
        for frame, cell in np.argwhere(tokens[..., 1] != IGNORED_TARGET):
            thing = int(written.shares[frame, :, cell].argmax())
            since = int(tokenizer.decode([int(tokens[frame, cell, 1])]))
            assert since <= frame
            states = [
                next((e.id for e in written.scene.events_of(thing) if e.start_frame <= t <= e.end_frame), None)
                for t in written.frames
            ]
            assert len(set(states[since : frame + 1])) == 1
            assert since == 0 or states[since - 1] != states[since]
            checked += since > 0
    assert checked > 50


def test_what_is_acted_on_is_not_asked(scenes, tokenizer):
    checked = 0
    for written in scenes:
        words = _doings(written, tokenizer)
        for event in written.scene.events:
            if event.object is None:
                continue
            for number, frame in enumerate(written.frames):
                cells = written.shares[number].argmax(axis=0) == event.object
                if event.start_frame <= frame <= event.end_frame:
                    assert (words[number, cells & (written.shares[number].max(axis=0) > 0)] == IGNORED_TARGET).all()
                    checked += 1
    assert checked
