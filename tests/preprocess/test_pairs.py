"""A rejected answer becomes a branch of its own beside the chosen one where pairs are wanted, and nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from perceptlm.batch import IGNORED_TARGET, Example
from perceptlm.preprocess.processor import Processor
from perceptlm.schema import Sample, Turn

Make = Callable[..., Sample]
ASSISTANT = "<|start_header_id|>assistant<|end_header_id|>\n\n"


def judged(sample: Sample, rejected: str) -> Sample:
    return Sample.model_validate(sample.to_dict() | {"rejected": rejected})


def learnt(processor: Processor, example: Example, which: str, places: np.ndarray) -> str:
    targets = getattr(example, which)[places]
    return processor.tokenizer.decode(targets[targets != IGNORED_TARGET].tolist(), keep_special=True)


def test_a_pair_token_by_token(processor: Processor, make_sample: Make, root: Path) -> None:
    samples = [
        make_sample("a", question="What does it do?", answer="It stops."),
        judged(make_sample("b", task="mcq", question="Which?", answer="(A) red"), "(B) circle"),
        judged(make_sample("c", question="Why?", answer="It jumps."), "No."),
    ]
    plain = processor.example(samples, root)
    example = processor.example(samples, root, pairs=True)
    assert (plain.pair, plain.rejected_targets, plain.num_pairs) == (None, None, 0)
    assert (example.num_pairs, example.ids, example.tags) == (2, ("a", "b", "c"), ("video_qa", "mcq"))
    assert example.num_supervised == plain.num_supervised
    for branch, answer, pair in [(1, "It stops.", None), (2, "(A) red", 0), (4, "It jumps.", 1)]:
        own = example.branch == branch
        assert learnt(processor, example, "targets", own) == f"{ASSISTANT}{answer}<|eot_id|><|end_of_text|>"
        assert learnt(processor, example, "rejected_targets", own) == ""
        supervised = own & (example.targets != IGNORED_TARGET)
        assert set(example.pair[supervised].tolist()) == {-1 if pair is None else pair}
        assert (example.pair[own & ~supervised] == -1).all()
    for branch, answer, pair in [(3, "(B) circle", 0), (5, "No.", 1)]:
        own = example.branch == branch
        assert learnt(processor, example, "rejected_targets", own) == f"{ASSISTANT}{answer}<|eot_id|><|end_of_text|>"
        assert learnt(processor, example, "targets", own) == ""
        assert (example.tag[own] == -1).all()
        rejected = own & (example.rejected_targets != IGNORED_TARGET)
        assert set(example.pair[rejected].tolist()) == {pair}
        question = processor.tokenizer.decode(example.input_ids[own].tolist(), keep_special=True).split("<|eot_id|>")[0]
        before = processor.tokenizer.decode(example.input_ids[example.branch == branch - 1].tolist(), keep_special=True)
        assert before.startswith(f"{question}<|eot_id|>")
        assert example.positions[own].tolist() == [int((example.branch == 0).sum()) + k for k in range(own.sum())]


def test_of_a_longer_conversation_only_the_last_answers_are_compared(
    processor: Processor, make_sample: Make, root: Path
) -> None:
    texts = ["Who?", "A circle.", "What does it do?", "It jumps."]
    turns = tuple(Turn(role=("user", "assistant")[k % 2], text=text) for k, text in enumerate(texts))
    example = processor.example([judged(make_sample(turns=turns), "It stops.")], root, pairs=True)
    everywhere = np.ones(example.num_tokens, bool)
    assert "A circle." in learnt(processor, example, "targets", everywhere)
    compared = example.pair >= 0
    assert learnt(processor, example, "targets", compared) == f"{ASSISTANT}It jumps.<|eot_id|><|end_of_text|>"
    assert learnt(processor, example, "rejected_targets", compared) == f"{ASSISTANT}It stops.<|eot_id|><|end_of_text|>"
    assert learnt(processor, example, "rejected_targets", everywhere).count(ASSISTANT) == 1


def test_images_within_the_text_are_there_once(processor: Processor, make_sample: Make, root: Path) -> None:
    texts = ["<image> Red?", "Yes.", "And <image>?", "It jumps."]
    turns = tuple(Turn(role=("user", "assistant")[k % 2], text=text) for k, text in enumerate(texts))
    sample = judged(make_sample(media="images", turns=turns), "No.")
    plain, example = processor.example([sample], root), processor.example([sample], root, pairs=True)
    num_tokens = plain.num_tokens
    # Up to the last image all is shared, and else the first branch is what it was.
    assert example.input_ids[:num_tokens].tolist() == plain.input_ids.tolist()
    assert example.targets[:num_tokens].tolist() == plain.targets.tolist()
    assert example.positions[:num_tokens].tolist() == plain.positions.tolist()
    last_image = np.flatnonzero(example.input_ids == processor.image_token_id)[-1]
    assert (example.branch[: last_image + 1] == 0).all()
    assert set(example.branch[last_image + 1 : num_tokens].tolist()) == {1}
    assert (example.branch[num_tokens:] == 2).all()
    assert example.positions[num_tokens] == last_image + 1
    assert learnt(processor, example, "rejected_targets", example.pair >= 0).startswith(f"{ASSISTANT}No.")
    processor.collate([example]).check(processor.config.layout.tokens_per_picture)


def test_a_pair_goes_in_whole_or_not_at_all(
    make_processor: Callable[..., Processor], make_sample: Make, root: Path
) -> None:
    samples = [make_sample("a"), judged(make_sample("b"), "It jumps for 12 jumps.")]
    whole = make_processor().example(samples, root, pairs=True)
    first = make_processor().example(samples[:1], root)
    tight = make_processor(max_tokens=whole.num_tokens - 1)
    example = tight.example(samples, root, pairs=True)
    assert (example.ids, example.num_tokens, tight.num_dropped_branches) == (("a",), first.num_tokens, 1)
    assert example.pair is None
    # A pair that comes first is shown with fewer frames, both of its branches.
    alone = make_processor().example(samples[1:], root, pairs=True)
    short = make_processor(max_tokens=alone.num_tokens - 1).example(samples[1:], root, pairs=True)
    assert (short.num_pairs, len(short.pictures)) == (1, len(alone.pictures) - 1)


def test_pairs_are_numbered_through_a_batch(processor: Processor, make_sample: Make, root: Path) -> None:
    pair = judged(make_sample("b"), "No.")
    examples = [processor.example(samples, root, pairs=True) for samples in ([pair, pair], [make_sample()], [pair])]
    batch = processor.collate(examples, max_tokens=500)
    assert (batch.num_pairs, batch.num_rejected, batch.input_ids.shape[0]) == (3, 3 * examples[2].num_rejected, 1)
    assert batch.num_supervised == sum(example.num_supervised for example in examples)
    for group, expected in enumerate([{-1, 0, 1}, {-1}, {-1, 2}]):
        assert set(batch.pair[batch.group == group].tolist()) == expected
    assert batch.rejected_targets is not None
    assert bool((batch.rejected_targets[batch.group < 0] == IGNORED_TARGET).all())
    plain = processor.collate([examples[1]])
    assert (plain.pair, plain.rejected_targets, plain.num_pairs, plain.num_rejected) == (None, None, 0, 0)
    assert processor.collate_rows([]).num_pairs == 0


def test_a_rejected_answer_speaks_of_frames_as_any_text(processor: Processor, make_sample: Make, root: Path) -> None:
    sample = judged(make_sample(answer="[<|frame:0|>, 2]"), "[<|frame:11|>, 3]")
    example = processor.example([sample], root, pairs=True)
    assert "[3, 3]" in learnt(processor, example, "rejected_targets", example.pair >= 0)


@pytest.mark.parametrize("pairs", [False, True])
def test_without_judgements_nothing_differs(processor: Processor, make_sample: Make, root: Path, pairs: bool) -> None:
    example = processor.example([make_sample("a"), make_sample("b")], root, pairs=pairs)
    assert (example.pair, example.rejected_targets, example.num_rejected) == (None, None, 0)
