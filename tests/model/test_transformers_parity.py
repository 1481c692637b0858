"""The model beside `transformers`, both ways: what it saves we load, what we save it loads, and both say the same."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from oracle import transformers
from safetensors.torch import load_file, save_file
from tensors import state_of
from torch import Tensor

from perceptlm.batch import IGNORED_TARGET, Batch
from perceptlm.model import (
    DecoderConfig,
    PerceptionLM,
    PLMConfig,
    RopeScaling,
    VisionConfig,
    transformer_block,
    vision_encoder,
)
from perceptlm.model.generation import Sampling, continue_batch
from perceptlm.model.weights import hf_config
from perceptlm.model.weights.layouts import state_on_meta, transformers_layout
from perceptlm.model.weights.rules import file_shapes, write_tensors

TOLERANCE = 2e-5
VOCABULARY, IMAGE_TOKEN, VIDEO_TOKEN, SIZE = 199, 7, 8, 56
STRETCHED = RopeScaling(factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_positions=64)


def shape(*, cls: bool, tied: bool, pooling: int, scaling: RopeScaling | None, gains: bool = True) -> PLMConfig:
    """Return a small model: grouped heads, more than one layer, head sizes that differ from width / heads."""
    return PLMConfig(
        vision=VisionConfig(
            image_size=SIZE, patch_size=14, width=48, num_layers=3, num_heads=3, mlp_ratio=8 / 3,
            use_cls_token=cls, layer_scale=0.1 if gains else None,
        ),
        decoder=DecoderConfig(
            vocab_size=VOCABULARY, width=64, num_layers=3, num_heads=4, num_kv_heads=2, head_dim=24, mlp_width=96,
            max_positions=512, rope_theta=500000.0, rope_scaling=scaling, tie_embeddings=tied,
        ),
        pooling_ratio=pooling, image_token_id=IMAGE_TOKEN, video_token_id=VIDEO_TOKEN,
    )  # fmt: skip


SHAPES = {
    "cls, tied, pooled, stretched": shape(cls=True, tied=True, pooling=2, scaling=STRETCHED),
    "no cls, untied, pooled, plain": shape(cls=False, tied=False, pooling=2, scaling=None),
    "cls, untied, unpooled, plain": shape(cls=True, tied=False, pooling=1, scaling=None),
    "no cls, tied, unpooled, stretched": shape(cls=False, tied=True, pooling=1, scaling=STRETCHED),
    "no gains": shape(cls=True, tied=True, pooling=2, scaling=None, gains=False),
}
MEDIA = {
    "an image": [("image", 1)],
    "five tiles": [("image", 5)],
    "several images": [("image", 2), ("image", 2), ("image", 2)],
    "a video": [("video", 6)],
    "an image and a video": [("image", 1), ("video", 4)],
    "text": [],
}


@dataclass(frozen=True)
class Pair:
    """The same weights in both implementations, and the directory that holds them."""

    ours: PerceptionLM
    theirs: torch.nn.Module
    directory: Path


@dataclass(frozen=True)
class Prompt:
    """Tokens (T,) and for each medium its kind and pictures (N, 3, S, S)."""

    input_ids: Tensor
    media: list[tuple[str, Tensor]]

    def batch(self) -> Batch:
        """Return it as our model's input: one placeholder stands for both kinds."""
        input_ids = torch.where(self.input_ids == VIDEO_TOKEN, IMAGE_TOKEN, self.input_ids)[None]
        zeros = torch.zeros_like(input_ids)
        positions = torch.arange(input_ids.shape[1])[None]
        pictures = torch.cat([torch.zeros(0, 3, SIZE, SIZE), *(pictures for _, pictures in self.media)])
        return Batch(
            input_ids, zeros + IGNORED_TARGET, positions, zeros, zeros, zeros - 1, pictures,
            image_token_id=IMAGE_TOKEN, tags=(), ids=(("prompt",),), pictures_per_group=(len(pictures),),
        )  # fmt: skip

    def inputs(self) -> dict[str, Tensor]:
        """Return it as their model's input."""
        named = {"input_ids": self.input_ids[None], "attention_mask": torch.ones_like(self.input_ids)[None]}
        for kind, name in (("image", "pixel_values"), ("video", "pixel_values_videos")):
            pictures = [pictures for of, pictures in self.media if of == kind]
            if pictures:
                named[name] = torch.stack(pictures)
        return named


def prompt(config: PLMConfig, media: list[tuple[str, int]], seed: int = 5) -> Prompt:
    """Return random text around random media."""
    random = torch.Generator().manual_seed(seed)
    tokens = (config.vision.grid_size // config.pooling_ratio) ** 2

    def text(length: int) -> Tensor:
        return torch.randint(20, VOCABULARY, (length,), generator=random)

    parts, shown = [text(3)], []
    for kind, count in media:
        parts += [torch.full((count * tokens,), IMAGE_TOKEN if kind == "image" else VIDEO_TOKEN), text(2)]
        shown.append((kind, torch.rand(count, 3, SIZE, SIZE, generator=random) * 2 - 1))
    return Prompt(torch.cat([*parts, text(9)]), shown)


@torch.no_grad()
def randomise(module: torch.nn.Module, seed: int) -> None:
    """Give every parameter a value that matters: norms off 1, gains off their first value, biases off 0."""
    random = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(module.named_parameters()):
        noise = torch.randn(parameter.shape, generator=random)
        if parameter.ndim < 2:
            parameter.copy_((1 if "norm" in name and not name.endswith("bias") else 0) + 0.2 * noise)
        else:
            parameter.copy_(noise * parameter[0].numel() ** -0.5)
        if name.endswith(("patch_embed.proj.weight", "patch_weight", "cls_token")) or "pos" in name:
            parameter.mul_(0.02)  # what enters the first norm is small, so that its epsilon tells


def they_save(config: PLMConfig, directory: Path) -> Pair:
    """Their random model, saved by them, loaded by us."""
    values = transformers.PerceptionLMConfig(**hf_config.to_json(config))
    theirs = transformers.PerceptionLMForConditionalGeneration(values).eval()
    randomise(theirs, seed=11)
    theirs.save_pretrained(directory)
    read = hf_config.from_json(json.loads((directory / "config.json").read_text()))
    assert read == config
    ours = PerceptionLM(read)
    tensors = load_file(directory / "model.safetensors")
    ours.load_state_dict(state_of(transformers_layout(read), tensors, state_on_meta(read)))
    return Pair(ours.eval(), theirs, directory)


def we_save(config: PLMConfig, directory: Path) -> Pair:
    """Our random model, saved by us, loaded by them."""
    ours = PerceptionLM(config)
    ours.initialise(0)
    randomise(ours, seed=12)
    (directory / "config.json").write_text(json.dumps(hf_config.to_json(config)))
    tensors = write_tensors(transformers_layout(config), ours.state_dict())
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    theirs, told = transformers.PerceptionLMForConditionalGeneration.from_pretrained(
        directory, dtype=torch.float32, output_loading_info=True
    )
    assert {name: list(names) for name, names in told.items() if names} == {}
    return Pair(ours.eval(), theirs.eval(), directory)


@pytest.fixture(scope="module", params=["they save", "we save"])
def saved(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module", params=SHAPES)
def pair(request: pytest.FixtureRequest, saved: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    make = they_save if saved == "they save" else we_save
    return make(SHAPES[request.param], tmp_path_factory.mktemp("pair"))


@torch.no_grad()
def largest_difference(pair: Pair, asked: Prompt) -> float:
    """Return the largest absolute difference of logits; both must be of unit scale, or the tolerance means nothing."""
    ours, theirs = pair.ours(asked.batch())[0], pair.theirs(**asked.inputs()).logits[0]
    assert 0.3 < float(theirs.std()) < 3
    return float((ours - theirs).abs().max())


@pytest.mark.parametrize("media", MEDIA)
def test_logits_and_greedy_continuations_are_equal(pair, media):
    asked = prompt(pair.ours.config, MEDIA[media])
    assert largest_difference(pair, asked) <= TOLERANCE
    (found,) = continue_batch(pair.ours, asked.batch(), [Sampling(8)], stop_ids=())
    wanted = pair.theirs.generate(
        **asked.inputs(), max_new_tokens=8, do_sample=False, pad_token_id=0, eos_token_id=None
    )
    assert list(found.token_ids) == wanted[0, len(asked.input_ids) :].tolist()


def test_every_tensor_is_in_the_others_file(pair):
    theirs = {name: tuple(tensor.shape) for name, tensor in load_file(pair.directory / "model.safetensors").items()}
    assert theirs == file_shapes(transformers_layout(pair.ours.config), state_on_meta(pair.ours.config))


def test_planted_smaller_epsilon_of_the_vision_encoder_is_noticed(tmp_path, monkeypatch):
    for module in (vision_encoder, transformer_block):
        monkeypatch.setattr(module, "NORM_EPS", 1e-6)
    pair = they_save(SHAPES["cls, tied, pooled, stretched"], tmp_path)
    assert largest_difference(pair, prompt(pair.ours.config, MEDIA["an image"])) > TOLERANCE
