from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from perceptlm.errors import LayoutError
from perceptlm.model import PerceptionLM


@pytest.fixture
def model(small_config) -> PerceptionLM:
    made = PerceptionLM(small_config)
    made.initialise(7)
    return made


@torch.no_grad()
def test_packing_changes_nothing(small_model, make_example, collate_examples):
    examples = [
        make_example(0, num_pictures=2, branch_lengths=(5, 7, 3)),
        make_example(1, num_pictures=0, branch_lengths=(4,)),
        make_example(2, num_pictures=1, branch_lengths=(6, 2)),
    ]
    packed = collate_examples(examples, max_tokens=64)
    assert packed.input_ids.shape[0] == 1
    apart = collate_examples(examples)
    logits = small_model(apart)
    found = small_model(packed)[0]
    start = 0
    for row, example in enumerate(examples):
        end = start + example.num_tokens
        torch.testing.assert_close(found[start:end], logits[row, : example.num_tokens], rtol=0, atol=1e-5)
        start = end
    assert float(small_model.loss(packed).total) == pytest.approx(float(small_model.loss(apart).total), rel=1e-6)


@torch.no_grad()
def test_branches_equal_separate_examples(small_model, make_example, collate_examples):
    whole = make_example(3, num_pictures=2, branch_lengths=(5, 7))
    logits = small_model(collate_examples([whole]))[0]
    for number in (1, 2):
        kept = (whole.branch == 0) | (whole.branch == number)
        arrays = {name: getattr(whole, name)[kept] for name in ("input_ids", "targets", "positions", "branch", "tag")}
        alone = small_model(collate_examples([replace(whole, **arrays)]))[0]
        torch.testing.assert_close(logits[torch.from_numpy(kept)], alone, rtol=0, atol=1e-5)


def test_loss_equals_cross_entropy_of_all_logits(small_model, make_example, collate_examples):
    batch = collate_examples([make_example(s, num_pictures=s, branch_lengths=(4, 6)) for s in (1, 2)])
    loss = small_model.loss(batch)
    logits = small_model(batch)
    expected = functional.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), reduction="sum")
    torch.testing.assert_close(loss.total, expected)
    assert loss.num_targets == batch.num_supervised == 20
    assert loss.per_tag_count.tolist() == [8, 12]
    torch.testing.assert_close(loss.per_tag.sum(), loss.total.detach())
    assert not loss.per_tag.requires_grad


def test_gradient_reaches_every_parameter(model, make_example, collate_examples):
    model.loss(collate_examples([make_example(0, num_pictures=2, branch_lengths=(5,))])).total.backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


def test_frozen_encoder_builds_no_graph(model, make_example, collate_examples):
    model.vision_encoder.requires_grad_(False)
    model.projector.requires_grad_(False)
    batch = collate_examples([make_example(0, num_pictures=1, branch_lengths=(5,))])
    assert not model.encode(batch.pictures).requires_grad
    model.loss(batch).total.backward()
    assert model.vision_encoder.patch_weight.grad is None
    assert model.decoder.embedding.grad is not None


def test_frozen_decoder_still_teaches_the_projector(model, make_example, collate_examples):
    model.requires_grad_(False)
    model.projector.requires_grad_(True)
    model.loss(collate_examples([make_example(0, num_pictures=1, branch_lengths=(5,))])).total.backward()
    assert model.projector.linear_1.weight.grad.abs().sum() > 0
    assert model.decoder.embedding.grad is None


def test_text_alone_does_not_run_the_encoder(model, make_example, collate_examples, monkeypatch):
    monkeypatch.setattr(PerceptionLM, "encode", lambda self, pictures: pytest.fail("encoded nothing"))
    loss = model.loss(collate_examples([make_example(0, num_pictures=0, branch_lengths=(5,))]))
    assert torch.isfinite(loss.total)


def test_nothing_supervised_is_a_zero_not_a_nan(model, make_example, collate_examples):
    loss = model.loss(collate_examples([make_example(0, num_pictures=1, branch_lengths=(5,), supervised=False)]))
    assert (float(loss.total.detach()), loss.num_targets) == (0.0, 0)


def test_pictures_matter(small_model, make_example, collate_examples):
    batch = collate_examples([make_example(0, num_pictures=2, branch_lengths=(5,))])
    with torch.no_grad():
        seen = small_model(batch)
        swapped = small_model(replace(batch, pictures=batch.pictures.flip(0)))
    assert (seen - swapped).abs().max() > 1e-3


def test_placeholders_and_pictures_must_agree(small_model, make_example, collate_examples):
    example = make_example(0, num_pictures=2, branch_lengths=(5,))
    example.input_ids[3] = 20
    with pytest.raises(LayoutError, match=r"example-0: 7 image placeholders but 2 pictures x 4"):
        small_model(collate_examples([example]))


def test_too_long_a_sequence_is_refused(small_model, make_example, collate_examples):
    with pytest.raises(LayoutError, match=r"263 tokens is longer than the model's 256"):
        small_model(collate_examples([make_example(0, num_pictures=0, branch_lengths=(260,))]))


def test_half_precision_stays_close(small_model, make_example, collate_examples):
    batch = collate_examples([make_example(0, num_pictures=2, branch_lengths=(5, 6))])
    with torch.no_grad():
        full = small_model.loss(batch).total
        with torch.autocast("cpu", torch.bfloat16):
            half = small_model.loss(batch).total
    assert half.dtype == torch.float32
    assert float(half) == pytest.approx(float(full), rel=0.02)
