"""The memory that a plan foresees is the memory that is taken: shares over 256 processes, and whole steps on the CPU.

The processes only seem to be there: torch's fake group moves nothing, but cuts, gathers and frees as a real one does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from live_bytes import LiveBytes
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from torch.nn import functional
from torch.testing._internal.distributed.fake_pg import FakeStore

from perceptlm.batch import Batch
from perceptlm.errors import UsageError
from perceptlm.model import PerceptionLM, decoder, plm, transformer_block
from perceptlm.model.configuration import DecoderConfig, PLMConfig, VisionConfig
from perceptlm.model.segments import additive_mask
from perceptlm.recipes.length_mix import largest_sample, mean_sample
from perceptlm.recipes.plm_stages import PLM_SIZES, PlmStage, model_of, plm_stage
from perceptlm.train.configuration import StageConfig
from perceptlm.train.forecast import forecast
from perceptlm.train.optimiser import freeze_and_group, make_optimiser, state_tensors
from perceptlm.train.rank_memory import RankMemory, Workload, rank_memory, sizes_of
from perceptlm.train.ranks import ALONE, Ranks
from perceptlm.train.recompute import recompute
from perceptlm.train.sharding import shard
from perceptlm.train.vision_features import MAX_BYTES

ALL = ("vision_encoder", "projector", "decoder")
IMAGE_TOKEN = 5


@pytest.fixture(params=[256])
def world_size(request: pytest.FixtureRequest) -> Iterator[int]:
    """So many processes, of which this is the first."""
    distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=request.param)
    yield request.param
    distributed.destroy_process_group()


def ranks_of(world_size: int, copies: int) -> Ranks:
    shape = (copies, world_size // copies)
    return Ranks(0, world_size, init_device_mesh("cpu", shape, mesh_dim_names=("copies", "shares")))


def held(tensor: Tensor) -> int:
    """Return the bytes of a tensor, or of this process's share of it."""
    local = tensor.to_local() if isinstance(tensor, DTensor) else tensor
    return local.numel() * local.element_size()


def gathered(module: nn.Module) -> int:
    """Return the bytes of what is gathered of a module when it is used, without the blocks in it."""
    inner = {id(item) for name, item in module.named_parameters() if ".blocks." in name}
    counts = [item.numel() for item in module.parameters() if isinstance(item, DTensor) and id(item) not in inner]
    precision = module._get_fsdp_state()._mp_policy.param_dtype or torch.float32  # type: ignore[operator]
    return sum(counts) * precision.itemsize


def planned(stage: PlmStage, **settings: int) -> RankMemory:
    return forecast(
        model_of(stage), stage.trained, mean_sample(stage), samples_per_step=stage.global_batch,
        num_steps=stage.num_steps, samples_per_rank=1, flops_per_second=1e12, **settings,
    ).memory  # fmt: skip


@pytest.mark.parametrize(
    "size", [size if size == "plm_8b" else pytest.param(size, marks=pytest.mark.slow) for size in PLM_SIZES]
)
@pytest.mark.parametrize(
    ("name", "copies"),
    [("warmup", 8), ("sft", 1), *(pytest.param(name, copies, marks=pytest.mark.slow)
                                  for name, copies in (("warmup", 1), ("midtrain", 1), ("midtrain", 8), ("sft", 8)))],
)  # fmt: skip
def test_shares_of_plms_over_256_processes_are_as_planned(size, name, copies, world_size):
    stage = plm_stage(size, name)
    config = StageConfig(
        name=name, num_steps=1, learning_rates=dict.fromkeys(stage.trained, 1e-4), tasks={"image_qa": 1}
    )
    with torch.device("meta"):
        model = PerceptionLM(model_of(stage))
    sizes = sizes_of(model)
    freeze_and_group(model, config)
    shard(model, ranks_of(world_size, copies), bf16=True)
    state = state_tensors(model, make_optimiser(model, config))
    weights = sum(map(held, model.parameters()))
    gradients = sum(held(parameter) for parameter in model.parameters() if parameter.requires_grad)
    moments = sum(held(tensor) for key, tensor in state.items() if key.startswith("optimiser:"))
    features = 0 if "vision_encoder" in stage.trained else MAX_BYTES
    found = planned(stage, num_ranks=world_size, num_copies=copies)
    assert found.state_bytes == pytest.approx(weights + gradients + moments + features, rel=0.01)
    blocks = [gathered(module) for module in (*model.decoder.blocks, *model.vision_encoder.blocks)
              if isinstance(module, FSDPModule)]  # fmt: skip
    assert max(blocks) == 2 * max(sizes.decoder_block, sizes.vision_block * ("vision_encoder" in stage.trained))
    root = sum(count for part, count in sizes.root.items() if part != "vision_encoder" or part in stage.trained)
    assert gathered(model) == 4 * root
    assert found.gathered_bytes > gathered(model)


def test_copies_share_out_less_and_must_divide():
    stage = plm_stage("plm_3b", "sft")
    one, eight = (planned(stage, num_ranks=256, num_copies=copies) for copies in (1, 8))
    assert eight.state_bytes == pytest.approx(8 * one.state_bytes)
    assert (eight.gathered_bytes, eight.activation_bytes) == (one.gathered_bytes, one.activation_bytes)
    with pytest.raises(UsageError, match="256 GPUs cannot hold 3 copies"):
        planned(stage, num_ranks=256, num_copies=3)
    largest = largest_sample(stage)
    assert (largest.num_pictures, largest.num_tokens) == (37, 11520)


@dataclass(frozen=True)
class Case:
    """A small model in which one thing takes most of the memory."""

    width: int = 128
    mlp_width: int = 512
    num_kv_heads: int = 4
    vocab_size: int = 1000
    tied: bool = False
    vision_width: int = 64
    vision_layers: int = 4
    num_pictures: int = 0
    num_text: int = 40
    num_supervised: int = 20

    def config(self) -> PLMConfig:
        """Return the shape."""
        vision = VisionConfig(
            image_size=112, patch_size=14, width=self.vision_width, num_layers=self.vision_layers, num_heads=2,
            drop_path=0.1,
        )  # fmt: skip
        text = DecoderConfig(
            vocab_size=self.vocab_size, width=self.width, num_layers=4, num_heads=4, num_kv_heads=self.num_kv_heads,
            head_dim=self.width // 4, mlp_width=self.mlp_width, max_positions=4096, rope_theta=1e4,
            tie_embeddings=self.tied,
        )  # fmt: skip
        return PLMConfig(vision=vision, decoder=text, pooling_ratio=2, image_token_id=IMAGE_TOKEN)

    def batch(self, trained: tuple[str, ...], num_draws: int) -> Batch:
        """Return one row."""
        length, num_pictures = self.num_pictures * 16 + self.num_text, self.num_pictures
        ids = torch.cat([torch.full((num_pictures * 16,), IMAGE_TOKEN), torch.arange(self.num_text) % 50 + 10])[None]
        targets = torch.full((1, length), -100)
        targets[0, -self.num_supervised :] = 7
        zeros = torch.zeros(1, length, dtype=torch.long)
        batch = Batch(
            input_ids=ids, targets=targets, positions=torch.arange(length)[None], group=zeros, branch=zeros, tag=zeros,
            pictures=torch.zeros(num_pictures, 3, 112, 112), image_token_id=IMAGE_TOKEN, tags=("t",), ids=(("a",),),
            pictures_per_group=(num_pictures,),
        )  # fmt: skip
        if "vision_encoder" not in trained:
            batch.patches = torch.zeros(num_pictures, 64, self.vision_width, dtype=torch.bfloat16)
            batch.pictures = batch.pictures[:0].clone()
        elif num_pictures:
            batch.path_draws = torch.rand(num_pictures, num_draws)
        return batch


CASES = {
    "text": Case(num_text=800, num_supervised=40),
    "text, few key heads, wide": Case(num_text=400, width=256, mlp_width=1024, num_kv_heads=2),
    "pictures": Case(num_pictures=8),
    "pictures, wide vision": Case(num_pictures=6, vision_width=256, vision_layers=6),
    "a block": Case(num_pictures=2, mlp_width=8192, vocab_size=300),
    "embeddings": Case(num_pictures=2, vocab_size=20000),
    "tied embeddings": Case(num_pictures=2, vocab_size=20000, tied=True),
    "logits": Case(num_pictures=2, num_text=300, vocab_size=10000, num_supervised=290),
}


QUICK = {("pictures", 3), ("a block", 1), ("logits", 3)}


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fused attention in bf16 over a mask, and layer norms in fp32 as autocast has them on CUDA, on the CPU not."""

    def wide_norm(self: nn.LayerNorm, x: Tensor) -> Tensor:
        return functional.layer_norm(x.float(), self.normalized_shape, self.weight.float(), self.bias.float(), self.eps)

    def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
        queries, keys, values = (x.to(values.dtype).transpose(1, 2) for x in (queries, keys, values))
        gqa = queries.shape[1] != keys.shape[1]
        found = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, enable_gqa=gqa)
        return found.transpose(1, 2).flatten(2)

    def sight(batch: Batch, dtype: torch.dtype) -> Tensor:
        return additive_mask(batch.attention_mask(), dtype)

    monkeypatch.setattr(nn.LayerNorm, "forward", wide_norm)
    monkeypatch.setattr(plm, "sight", sight)
    for module in (transformer_block, decoder):
        monkeypatch.setattr(module, "attend", attend)


def taken(case: Case, trained: tuple[str, ...], ranks: Ranks) -> int:
    """Return the most bytes alive in a step that adds to gradients of the step before, with AdamW's moments."""
    with torch.device("meta"):
        model = PerceptionLM(case.config())
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.partition(".")[0] in trained)
    shard(model, ranks, bf16=True)
    model.to_empty(device="cpu")
    recompute(model, "full")
    model.train()
    with torch.no_grad():
        for parameter in model.parameters():
            (parameter.to_local() if isinstance(parameter, DTensor) else parameter).zero_()
    batch = case.batch(trained, model.vision_encoder.num_path_draws)
    moments = 2 * sum(held(parameter) for parameter in model.parameters() if parameter.requires_grad)
    with LiveBytes(model.parameters()) as live:
        for _ in range(2):
            live.peak = 0
            with torch.autocast("cpu", torch.bfloat16, cache_enabled=ranks.mesh is None):
                loss = model.loss(batch).total
            loss.backward()
            del loss
    return live.peak + moments


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("world_size", [8], indirect=True)
@pytest.mark.parametrize(
    ("name", "trained"),
    [
        pytest.param(name, trained, marks=() if (name, len(trained)) in QUICK else pytest.mark.slow)
        for name in CASES for trained in (ALL, ("projector",))
    ],
    ids=str,
)  # fmt: skip
def test_a_step_takes_what_is_planned(name, trained, world_size):
    assert_as_planned(CASES[name], trained, ranks_of(world_size, 1))


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize(
    "name", ["pictures", *(pytest.param(name, marks=pytest.mark.slow) for name in ("text", "logits"))]
)
def test_a_step_of_a_process_alone_takes_what_is_planned(name):
    assert_as_planned(CASES[name], ALL, ALONE)


def assert_as_planned(case: Case, trained: tuple[str, ...], ranks: Ranks) -> None:
    with torch.device("meta"):
        sizes = sizes_of(PerceptionLM(case.config()))
    shown = Workload(case.num_pictures, case.num_pictures * 16 + case.num_text, case.num_supervised)
    found = rank_memory(case.config(), sizes, trained, shown, num_ranks=ranks.size)  # type: ignore[arg-type]
    assert found.total_bytes == pytest.approx(taken(case, trained, ranks), rel=0.1)
