import pytest
import torch

from perceptlm.errors import LayoutError
from perceptlm.model import VisionConfig
from perceptlm.model.projector import Projector
from perceptlm.model.transformer_block import TransformerBlock
from perceptlm.model.vision_encoder import VisionTransformer


@torch.no_grad()
def encoder(**changes) -> VisionTransformer:
    config = VisionConfig(image_size=16, patch_size=4, width=16, num_layers=2, num_heads=2).model_copy(update=changes)
    made = VisionTransformer(config)
    random = torch.Generator().manual_seed(0)
    for parameter in made.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=random) * 0.2)
    return made.eval()


@pytest.mark.parametrize("use_cls_token", [True, False])
@torch.no_grad()
def test_one_token_per_patch_without_the_cls_token(use_cls_token):
    made = encoder(use_cls_token=use_cls_token)
    assert made(torch.zeros(3, 3, 16, 16)).shape == (3, 16, 16)
    assert made(torch.zeros(1, 3, 8, 24)).shape == (1, 12, 16)


@torch.no_grad()
def test_positions_are_interpolated_between_the_nearest():
    made = encoder()
    found = made._positions(2, 2)
    grid = made.position_embedding[1:].reshape(4, 4, 16)
    torch.testing.assert_close(found[0], made.position_embedding[0])
    torch.testing.assert_close(found[1], grid[:2, :2].mean(dim=(0, 1)))
    torch.testing.assert_close(found[4], grid[2:, 2:].mean(dim=(0, 1)))


@torch.no_grad()
def test_pictures_do_not_see_each_other():
    made = encoder()
    pictures = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(made(pictures)[1:], made(pictures[1:]), rtol=0, atol=1e-6)


@torch.no_grad()
def test_drop_path_skips_whole_branches_in_training_only():
    block = TransformerBlock(16, 2, 64, drop_path=0.5)
    branch = torch.ones(400, 2, 16)
    draws = torch.rand(400, 2, generator=torch.Generator().manual_seed(0))
    added = block.train()._dropped(branch, draws, 1)
    assert torch.equal(added[:, 0, 0] == 0, draws[:, 1] < 0.5)
    assert set(added.unique().tolist()) == {0.0, 2.0}
    assert bool((added.flatten(1).std(dim=1) == 0).all())
    assert float(added.mean()) == pytest.approx(1.0, abs=0.15)
    assert bool((block.eval()._dropped(branch, None, 1) == 1).all())
    with pytest.raises(ValueError, match="needs draws"):
        block.train()._dropped(branch, None, 1)


@torch.no_grad()
def test_what_a_picture_drops_does_not_depend_on_its_company():
    made = encoder(drop_path=0.5).train()
    pictures = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    draws = torch.rand(3, made.num_path_draws, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(made(pictures, draws)[1:], made(pictures[1:], draws[1:]), rtol=0, atol=1e-6)
    assert not torch.equal(made(pictures, draws), made(pictures, draws.flip(0)))


@torch.no_grad()
def test_projector_pools_neighbouring_patches_in_row_major_order():
    projector = Projector(4, 4, 2)
    patches = torch.randn(1, 16, 4, generator=torch.Generator().manual_seed(2))
    unpooled = Projector(4, 4, 1)
    unpooled.load_state_dict(projector.state_dict())
    grid = unpooled(patches).reshape(4, 4, 4)
    expected = torch.nn.functional.adaptive_avg_pool2d(grid.permute(2, 0, 1)[None], 2)[0].flatten(1).T
    torch.testing.assert_close(projector(patches)[0], expected)
    with pytest.raises(LayoutError, match="12 patches"):
        projector(patches[:, :12])
