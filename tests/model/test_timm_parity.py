"""Every Perception Encoder beside timm's: the same weights, the same tokens and, in PE-Core, the same vector."""

import pytest
import torch
from oracle import timm
from tensors import state_of

from perceptlm.model.perception_encoders import PERCEPTION_ENCODERS
from perceptlm.model.vision_encoder import VisionTransformer
from perceptlm.model.weights.rules import file_shapes, write_tensors
from perceptlm.model.weights.vision_layouts import original_layout, timm_layout

TOLERANCE = 2e-5
GRID = 5
SIZES = {"T": "tiny", "S": "small", "B": "base", "L": "large", "G": "gigantic"}


def timm_name(release: str) -> str:
    """Return timm's name, such as vit_pe_core_tiny_patch16_384 for PE-Core-T16-384."""
    _, family, shape, image_size = release.split("-")
    return f"vit_pe_{family.lower()}_{SIZES[shape[0]]}_patch{shape[1:]}_{image_size}"


@torch.no_grad()
def randomise(module: torch.nn.Module) -> None:
    """Give every parameter a value that matters, beginning with small tokens, so that a norm's epsilon tells."""
    random = torch.Generator().manual_seed(3)
    for name, parameter in sorted(module.named_parameters()):
        noise = torch.randn(parameter.shape, generator=random)
        if name.endswith(("head.bias",)):
            parameter.zero_()  # PE has none
        elif "norm" in name and not name.endswith("bias"):
            parameter.copy_(1 + 0.2 * noise)
        elif parameter.ndim < 2:
            parameter.copy_(0.2 * noise)
        else:
            parameter.copy_(noise * parameter[0].numel() ** -0.5)
        if name in ("pos_embed", "cls_token", "patch_embed.proj.weight"):
            parameter.mul_(0.02)


@torch.no_grad()
def vision_transformer(theirs: torch.nn.Module, config) -> VisionTransformer:
    """Return ours with the weights of theirs."""
    tensors = {name: tensor for name, tensor in theirs.state_dict().items() if name != "head.bias"}
    with torch.device("meta"):
        ours = VisionTransformer(config)
    ours.load_state_dict(state_of(timm_layout(config), tensors, ours.state_dict()), assign=True)
    return ours.eval()


@pytest.mark.parametrize("release", PERCEPTION_ENCODERS)
@torch.no_grad()
def test_tokens_and_vectors_are_equal(release):
    # Two blocks and a small picture: all that a family does differently, at its own width.
    whole = PERCEPTION_ENCODERS[release]
    config = whole.model_copy(update={"num_layers": 2, "image_size": GRID * whole.patch_size})
    theirs = timm.create_model(
        timm_name(release), depth=2, img_size=config.image_size, ref_feat_shape=(GRID, GRID),
        num_classes=config.output_width or 0,
    ).eval()  # fmt: skip
    randomise(theirs)
    ours = vision_transformer(theirs, config)
    pictures = (
        torch.rand(2, 3, config.image_size, config.image_size, generator=torch.Generator().manual_seed(4)) * 2 - 1
    )
    tokens = theirs.forward_features(pictures)[:, int(config.use_cls_token) :]
    assert float(tokens.std()) > 0.3
    torch.testing.assert_close(ours(pictures), tokens, rtol=0, atol=TOLERANCE * float(tokens.std()))
    if config.pool == "attention":
        vectors = theirs(pictures)
        assert vectors.shape == (2, config.output_width)
        torch.testing.assert_close(ours.embed(pictures), vectors, rtol=0, atol=TOLERANCE * float(vectors.std()))
    else:
        with pytest.raises(ValueError, match="nothing pools here"):
            ours.embed(pictures)


@pytest.mark.parametrize("release", PERCEPTION_ENCODERS)
def test_shapes_are_those_of_the_whole_model(release):
    config = PERCEPTION_ENCODERS[release]
    with torch.device("meta"):
        theirs = timm.create_model(timm_name(release), num_classes=config.output_width or 0)
        ours = VisionTransformer(config)
    expected = {name: tuple(tensor.shape) for name, tensor in theirs.state_dict().items() if name != "head.bias"}
    assert file_shapes(timm_layout(config), ours.state_dict()) == expected


@pytest.mark.parametrize("release", ["PE-Core-T16-384", "PE-Spatial-T16-512", "PE-Core-S16-384"])
def test_their_own_checkpoints_hold_the_same(release):
    config = PERCEPTION_ENCODERS[release]
    ours = VisionTransformer(config)
    randomise(ours)
    state = ours.state_dict()
    tensors = write_tensors(original_layout(config), state)
    again = state_of(original_layout(config), tensors, state)
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())
    if config.pool == "attention":
        assert tensors["proj"].shape == (config.width, config.output_width)
        assert tensors["attn_pool.probe"].shape == (1, 1, config.width)
        assert tensors["attn_pool.attn.in_proj_weight"].shape == (3 * config.width, config.width)


def test_the_vision_towers_of_plm_are_as_large_as_published():
    def num_parameters(release: str) -> int:
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in VisionTransformer(PERCEPTION_ENCODERS[release]).parameters())

    assert num_parameters("PE-Lang-L14-448") == pytest.approx(291e6, abs=0.5e6)
    assert num_parameters("PE-Lang-G14-448") == pytest.approx(1.741e9, abs=0.5e6)


def test_a_planted_pool_of_as_many_heads_as_the_blocks_have_is_noticed(monkeypatch):
    from perceptlm.model import vision_encoder

    monkeypatch.setattr(vision_encoder, "NUM_POOL_HEADS", 6)
    with pytest.raises(AssertionError):
        test_tokens_and_vectors_are_equal("PE-Core-S16-384")
