"""train.parts.lessons: questions about training scenes in words, the same for the same number."""

import re

import numpy as np
import pytest

from perceptlm.batch import IGNORED_TARGET
from perceptlm.preprocess.chat_format import IMAGE
from perceptlm.recipes.parts_tiny import decoder_tiny, words_tiny
from perceptlm.train.parts.lessons import lesson_batches, lesson_texts

RECIPE = decoder_tiny().model_copy(
    update={
        "num_picture_chunks": 2,
        "pictures_per_picture_chunk": 8,
        "clips_per_chunk": 12,
        "images_per_chunk": 6,
        "motion_clips_per_chunk": 0,
    }
)


@pytest.fixture(scope="module")
def batches(shown):
    return lesson_batches(RECIPE, shown, "train", 1, 2)


def test_a_chunk_is_a_function_of_its_number(shown, batches):
    again = lesson_batches(RECIPE, shown, "train", 1, 2)
    assert [batch.examples[0].ids for batch in batches] == [batch.examples[0].ids for batch in again]
    for one, same in zip(batches, again, strict=True):
        np.testing.assert_array_equal(one.vision_tokens, same.vision_tokens)


def test_placeholders_and_cells_agree(shown, batches):
    image = shown.tokenizer().special_id(IMAGE)
    for batch in batches:
        counts = [int((example.input_ids == image).sum()) for example in batch.examples]
        assert sum(counts) == batch.vision_tokens.shape[0] * batch.vision_tokens.shape[1]
        assert counts == [16 * len(example.pictures) for example in batch.examples]


def test_batches_keep_to_their_tokens(batches):
    for batch in batches:
        longest = max(example.num_tokens for example in batch.examples)
        assert longest * len(batch.examples) <= RECIPE.tokens_per_batch


def test_pictures_alone_come_first(shown):
    for chunk in (0, 1):
        examples = [example for batch in lesson_batches(RECIPE, shown, "train", 1, chunk)
                    for example in batch.examples]  # fmt: skip
        assert len(examples) == 8
        assert all(len(example.pictures) == 1 for example in examples)
    validation = lesson_batches(RECIPE, shown, "validation", 1, 0)
    assert {len(example.pictures) for batch in validation for example in batch.examples} == {1, 16}


def test_of_some_clips_only_motion_is_asked(shown, batches):
    recipe = RECIPE.model_copy(update={"motion_clips_per_chunk": 20})
    more = lesson_batches(recipe, shown, "train", 1, 2)
    asked = {example.ids for batch in batches for example in batch.examples}
    added = [example for batch in more for example in batch.examples if example.ids not in asked]
    # None of those whose asker moves: of them no motion is asked.
    assert 10 < len(added) < 20
    assert {example.num_supervised for example in added} == {0}
    told = [batch.doings for batch in more if all(example.num_supervised == 0 for example in batch.examples)]
    assert (np.concatenate(told) != IGNORED_TARGET).mean() > 0.05
    validation = lesson_batches(recipe, shown, "validation", 1, 2)
    assert all(example.num_supervised for batch in validation for example in batch.examples)


def test_of_some_clips_only_times_are_asked(shown, batches):
    recipe = RECIPE.model_copy(update={"timing_clips_per_chunk": 10})
    more = lesson_batches(recipe, shown, "train", 1, 2)
    asked = {example.ids for batch in batches for example in batch.examples}
    added = [example for batch in more for example in batch.examples if example.ids not in asked]
    assert len(added) >= 10
    for example in added:
        assert example.tags == ("rtloc",)
        assert len(set(example.ids)) == len(example.ids)
        for branch in range(1, len(example.ids) + 1):
            answer = example.targets[(example.branch == branch) & (example.targets != IGNORED_TARGET)]
            start, end = map(int, re.findall(r"\d+", shown.tokenizer().decode(answer.tolist())))
            assert 0 <= start <= end < 16
    # Of what one thing does, all is asked: what a question of the benchmark asks for, and the times between.
    assert np.mean([len(example.ids) for example in added]) > 2


def test_chunks_hold_different_scenes(shown, batches):
    other = lesson_batches(RECIPE, shown, "train", 1, 3)
    assert not _lengths(batches) & _lengths(other)


def _lengths(batches):
    """Return how large the vision tokens of each batch are: equal batches have equal lengths."""
    return {float(np.linalg.norm(batch.vision_tokens.astype(np.float64))) for batch in batches}


def test_frames_stand_after_their_numbers(shown, batches):
    tokenizer = shown.tokenizer()
    example = next(e for batch in batches for e in batch.examples if len(e.pictures) == 16)
    shown = tokenizer.decode(example.input_ids[example.branch == 0].tolist(), keep_special=True)
    assert shown.endswith("".join(f"{number}" + "<|image|>" * 16 for number in range(16)))


def test_every_task_is_taught(batches):
    tasks = {tag for batch in batches for example in batch.examples for tag in example.tags}
    assert {"fgqa", "rcap", "rtloc", "rdcap", "video_qa", "video_caption", "image_qa", "image_caption"} <= tasks


def test_texts_speak_of_frames_by_number():
    recipe = words_tiny().model_copy(update={"num_clips": 12, "num_images": 6})
    texts = list(lesson_texts(recipe, 1))
    assert len(texts) > 100
    assert not any("<|frame" in text or "<|num_frames" in text for text in texts)
