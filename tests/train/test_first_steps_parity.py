"""The first steps of a training beside `transformers` and torch's AdamW: the same weights, samples and losses.

Theirs sees one sample at a time, unpacked; ours packs, shares rows out over batches and computes logits where there is
loss. Tiled images, clips, text; fp32.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from oracle import transformers
from torch import Tensor

from perceptlm import artifact
from perceptlm.batch import IGNORED_TARGET, Example
from perceptlm.exchange.jsonl import read_lines, write_records
from perceptlm.media.image import write_png
from perceptlm.media.write_video import write_video
from perceptlm.model import DecoderConfig, PerceptionLM, PLMConfig, VisionConfig
from perceptlm.preprocess.packing import normalise
from perceptlm.preprocess.processor import Processor
from perceptlm.pretrained import save_pretrained
from perceptlm.schema import MediaRef, Origin, Sample, TextAnswer, Turn
from perceptlm.train.configuration import OptimiserConfig, ProcessorRecipe, ScheduleConfig, StageConfig
from perceptlm.train.processor_artifact import make_processor
from perceptlm.train.stage import train_stage
from perceptlm.train.stage_data import StageData

NUM_STEPS = 3
TOLERANCE = 1e-4
RATES = {"vision_encoder": 2e-3, "projector": 1e-2, "decoder": 5e-3}
CONFIG = StageConfig(
    name="sft", num_steps=NUM_STEPS, learning_rates=RATES, tasks={"image_qa": 2, "video_qa": 1, "text_qa": 1},
    num_groups=6, num_branches=1, packed_tokens=256, rows_per_batch=2, precision="fp32", checkpoint_every=100,
    schedule=ScheduleConfig(warmup_steps=0, min_ratio=0.1),
    optimiser=OptimiserConfig(weight_decay=0.05, max_grad_norm=0.5),
)  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise and its made-up descriptions: wide images that become tiles, clips, and questions without pictures."""

    def make(partial: Path) -> None:
        random = np.random.default_rng(4)
        (partial / "train").mkdir()
        samples = []
        for number in range(6):
            frames = random.integers(0, 255, (8, 64, 64, 3), dtype=np.uint8).repeat(2, axis=2)
            image = np.concatenate([frames[0]] * (1 + number % 2), axis=1)
            write_png(partial / f"train/{number}.png", image)
            write_video(partial / f"train/{number}.mp4", frames, 8)
            size = {"height": 64, "width": image.shape[1]}
            shown = MediaRef(kind="image", path=f"train/{number}.png", **size)
            clip = MediaRef(kind="video", path=f"train/{number}.mp4", num_frames=8, frames_per_second="8", height=64,
                            width=128)  # fmt: skip
            for task, media in (("image_qa", (shown,)), ("video_qa", (clip,)), ("text_qa", ())):
                answer = " ".join(random.choice(["red", "blue", "noise", "over", "under"], 2 + number))
                samples.append(Sample(
                    id=f"{task}-{number}", task=task, split="train", media=media, answer=TextAnswer(text=answer),
                    turns=(Turn(role="user", text=f"What is {number}?"), Turn(role="assistant", text=answer)),
                    origin=Origin(kind="program", name="noise", revision="1", licence="CC0-1.0"),
                    cluster=f"{task}-{number}", template="t", dimension="what",
                ))  # fmt: skip
        write_records(partial / "train/samples.jsonl", samples)

    return artifact.build(tmp_path_factory.mktemp("parity") / "world", kind="world", recipe={"noise": 1}, make=make)


@pytest.fixture(scope="module")
def checkpoint(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model in the layout that both load, every parameter off its first value."""
    folder = tmp_path_factory.mktemp("start")
    recipe = ProcessorRecipe(
        vocab_size=340, tile_size=56, patch_size=14, pooling_ratio=2, num_frames=3, max_tiles=4,
        vision_input="thumb+tile", max_tokens=256,
    )  # fmt: skip
    processor = Processor.load(make_processor(folder / "processor", recipe, world=world))
    vision = VisionConfig(
        image_size=56, patch_size=14, width=48, num_layers=2, num_heads=3, mlp_ratio=8 / 3, layer_scale=0.1
    )
    decoder = DecoderConfig(
        vocab_size=processor.vocab_size, width=64, num_layers=3, num_heads=4, num_kv_heads=2, head_dim=24,
        mlp_width=96, max_positions=512, rope_theta=10000.0, tie_embeddings=True,
    )  # fmt: skip
    model = PerceptionLM(
        PLMConfig(vision=vision, decoder=decoder, pooling_ratio=2, image_token_id=processor.image_token_id)
    )
    model.initialise(3)
    random = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=random))

    def make(partial: Path) -> None:
        save_pretrained(partial, model, processor)

    return artifact.build(folder / "start", kind="checkpoint", recipe={"random": 1}, make=make)


def examples_of_steps(world: Path, processor: Processor) -> list[list[Example]]:
    """Return what each step shows, as one Example for each sample."""
    plan, _ = StageData(world).plans(CONFIG, 1)
    return [
        [processor.example(unit.read(), unit.root, template=CONFIG.template) for unit in plan.units(step)]
        for step in range(NUM_STEPS)
    ]


def their_loss(model: torch.nn.Module, example: Example, num_targets: int) -> Tensor:
    """Return their loss of one sample, a part of the mean over `num_targets` tokens."""
    input_ids = torch.from_numpy(example.input_ids)[None]
    labels = torch.full_like(input_ids, IGNORED_TARGET)
    # They predict label t at place t-1; we say at each place what comes after it. The last place is not in the input.
    labels[0, 1:] = torch.from_numpy(example.targets)[:-1]
    if example.targets[-1] != IGNORED_TARGET:
        input_ids = torch.cat([input_ids, torch.tensor([[0]])], dim=1)
        labels = torch.cat([labels, torch.tensor([[int(example.targets[-1])]])], dim=1)
    shown = {"pixel_values": normalise(example.pictures)[None]} if len(example.pictures) else {}
    loss: Tensor = model(
        input_ids=input_ids, attention_mask=torch.ones_like(input_ids), labels=labels,
        num_items_in_batch=torch.tensor(num_targets), **shown,
    ).loss  # fmt: skip
    return loss


def their_losses(checkpoint: Path, steps: list[list[Example]], *, max_grad_norm: float) -> list[float]:
    """Train their model with torch's AdamW, their schedule and torch's clipping; return the loss of every step."""
    model = transformers.PerceptionLMForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32).train()
    groups = []
    for prefix, part in (
        ("model.vision_tower", "vision_encoder"), ("model.multi_modal_projector", "projector"),
        ("model.language_model", "decoder"),
    ):  # fmt: skip
        named = {name: value for name, value in model.named_parameters() if name.startswith(prefix)}
        plain = [n for n, value in named.items() if value.ndim < 2 or n.endswith(("embed_tokens.weight", "pos_embed"))]
        decayed = [value for name, value in named.items() if name not in plain]
        groups += [
            {"params": decayed, "lr": RATES[part], "weight_decay": CONFIG.optimiser.weight_decay},
            {"params": [named[name] for name in plain], "lr": RATES[part], "weight_decay": 0.0},
        ]
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-8)
    schedule = transformers.get_scheduler(
        "cosine_with_min_lr", optimiser, 0, NUM_STEPS, scheduler_specific_kwargs={"min_lr_rate": 0.1}
    )
    losses = []
    for examples in steps:
        optimiser.zero_grad()
        num_targets = sum(example.num_supervised for example in examples)
        total = 0.0
        for example in examples:
            loss = their_loss(model, example, num_targets)
            loss.backward()
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
        optimiser.step()
        schedule.step()
        losses.append(total)
    return losses


def test_losses_of_the_first_steps_are_theirs(world: Path, checkpoint: Path, tmp_path: Path) -> None:
    out = train_stage(tmp_path / "out", CONFIG, data=StageData(world), start=checkpoint, seed=1)
    ours = [record for _, record in read_lines(out / "metrics.jsonl")]
    steps = examples_of_steps(world, Processor.load(checkpoint))
    shown = [len(example.pictures) for examples in steps for example in examples]
    assert {0, 3} < set(shown)
    assert max(shown) > 3  # an image in tiles
    assert [record["num_targets"] for record in ours] == [sum(e.num_supervised for e in step) for step in steps]
    losses = [record["loss"] for record in ours]
    theirs = their_losses(checkpoint, steps, max_grad_norm=CONFIG.optimiser.max_grad_norm)
    assert losses == pytest.approx(theirs, rel=TOLERANCE)
    # What a step did is seen in the losses after it: gradients were clipped, and without that they would differ.
    assert all(record["gradient_norm"] > CONFIG.optimiser.max_grad_norm for record in ours)
    held = their_losses(checkpoint, steps, max_grad_norm=1e-3)
    assert abs(held[2] - theirs[2]) > 20 * TOLERANCE * theirs[2]
