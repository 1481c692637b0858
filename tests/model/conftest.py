"""A small model, hand-made Examples, and the recorded outputs of an independent implementation."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file
from tensors import state_of
from torch import Tensor

from perceptlm.batch import IGNORED_TARGET, Batch, Example
from perceptlm.model import DecoderConfig, PerceptionLM, PLMConfig, VisionConfig
from perceptlm.model.weights import hf_config
from perceptlm.model.weights.layouts import state_on_meta, transformers_layout
from perceptlm.model.weights.recorded import EXPECTED, RecordedCase, read_cases
from perceptlm.preprocess.packing import collate

IMAGE_TOKEN = 3
Collate = Callable[..., Batch]
MakeExample = Callable[..., Example]


@pytest.fixture(scope="session")
def small_config() -> PLMConfig:
    """Grouped heads, a cls token and pooling: everything the tiny preset leaves out or simplifies."""
    vision = VisionConfig(image_size=16, patch_size=4, width=32, num_layers=2, num_heads=2)
    decoder = DecoderConfig(
        vocab_size=50, width=32, num_layers=2, num_heads=4, num_kv_heads=2, head_dim=8, mlp_width=48, max_positions=256
    )
    return PLMConfig(vision=vision, decoder=decoder, pooling_ratio=2, image_token_id=IMAGE_TOKEN)


@pytest.fixture(scope="session")
def small_model(small_config: PLMConfig) -> PerceptionLM:
    """Never changed by a test."""
    model = PerceptionLM(small_config)
    model.initialise(7)
    return model.eval()


@pytest.fixture
def make_example() -> MakeExample:
    """Return a function that makes an Example with random tokens and pictures."""

    def make(seed: int, *, num_pictures: int, branch_lengths: tuple[int, ...], supervised: bool = True) -> Example:
        random = np.random.default_rng(seed)
        prefix = np.concatenate([[1], np.full(4 * num_pictures, IMAGE_TOKEN), random.integers(10, 50, 2)])
        branches = [random.integers(10, 50, length) for length in branch_lengths]
        input_ids = np.concatenate([prefix, *branches])
        branch = np.concatenate([np.zeros(len(prefix)), *(np.full(len(b), k + 1) for k, b in enumerate(branches))])
        positions = np.concatenate([np.arange(len(prefix)), *(len(prefix) + np.arange(len(b)) for b in branches)])
        targets = np.full(len(input_ids), IGNORED_TARGET)
        tag = np.full(len(input_ids), -1)
        if supervised:
            learnt = np.flatnonzero(branch)
            targets[learnt] = random.integers(10, 50, len(learnt))
            tag[learnt] = (branch[learnt] - 1) % 2
        pictures = random.integers(0, 256, (num_pictures, 3, 16, 16), dtype=np.uint8)
        arrays = [array.astype(np.int64) for array in (input_ids, targets, positions, branch, tag)]
        return Example((f"example-{seed}",), *arrays, ("fgqa", "rcap"), pictures)

    return make


@pytest.fixture
def collate_examples() -> Collate:
    """Return `collate` for the small model's placeholder."""

    def make(examples: list[Example], max_tokens: int | None = None) -> Batch:
        return collate(examples, max_tokens=max_tokens, pad_token_id=0, image_token_id=IMAGE_TOKEN)

    return make


@dataclass(frozen=True)
class Recording:
    """A directory that `transformers` wrote, and four recorded cases."""

    config: PLMConfig
    values: dict
    tensors: dict[str, Tensor]
    cases: list[RecordedCase]

    def model(self) -> PerceptionLM:
        """Return a fresh model with the recorded weights."""
        model = PerceptionLM(self.config)
        state = state_of(transformers_layout(self.config), self.tensors, state_on_meta(self.config))
        model.load_state_dict(state)
        return model.eval()


@pytest.fixture(scope="session")
def recording() -> Recording:
    directory = Path(__file__).parent / "data" / "perception_lm_tiny_l"
    values = json.loads((directory / "config.json").read_text())
    config = hf_config.from_json(values)
    cases = read_cases(directory / EXPECTED, config)
    return Recording(config, values, load_file(directory / "model.safetensors"), cases)
