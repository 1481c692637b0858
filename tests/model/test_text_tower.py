"""PE-Core's text tower beside open_clip's, and pictures compared with texts."""

import pytest
import torch
from oracle import open_clip
from tensors import state_of

from perceptlm.model.configuration import TextTowerConfig
from perceptlm.model.perception_encoders import PERCEPTION_ENCODERS, TEXT_TOWERS
from perceptlm.model.text_tower import PictureTextModel, TextTower
from perceptlm.model.weights.rules import file_shapes, write_tensors
from perceptlm.model.weights.text_layouts import picture_text_layout, text_tower_layout

END = 49407


@torch.no_grad()
def randomise(module):
    random = torch.Generator().manual_seed(2)
    for name, parameter in sorted(module.named_parameters()):
        noise = torch.randn(parameter.shape, generator=random)
        if parameter.ndim < 2:
            parameter.copy_(0.2 * noise + ("ln" in name and name.endswith("weight")))
        else:
            parameter.copy_(noise * parameter.shape[-1] ** -0.5)


def texts(max_tokens):
    """Three texts of different lengths, the end marked, then padding with 0."""
    random = torch.Generator().manual_seed(3)
    rows = torch.zeros(3, max_tokens, dtype=torch.long)
    for row, length in enumerate((3, max_tokens // 2, max_tokens - 1)):
        rows[row, :length] = torch.randint(1, END - 1, (length,), generator=random)
        rows[row, length] = END
    return rows


@pytest.mark.parametrize("release", TEXT_TOWERS)
@torch.no_grad()
def test_vectors_equal_those_of_open_clip(release):
    config = TEXT_TOWERS[release].model_copy(update={"num_layers": 2})
    theirs = open_clip.transformer.TextTransformer(
        context_length=config.max_tokens, vocab_size=config.vocab_size, width=config.width, heads=config.num_heads,
        layers=config.num_layers, output_dim=config.output_width,
    ).eval()  # fmt: skip
    randomise(theirs)
    with torch.device("meta"):
        ours = TextTower(config)
    state = state_of(text_tower_layout(config), theirs.state_dict(), ours.state_dict())
    ours.load_state_dict(state, assign=True)
    wanted = theirs(texts(config.max_tokens))
    assert wanted.shape == (3, config.output_width)
    found = ours.eval()(texts(config.max_tokens))
    torch.testing.assert_close(found, wanted, rtol=0, atol=2e-5 * float(wanted.std()))


@torch.no_grad()
def test_what_stands_behind_the_end_does_not_count():
    config = TextTowerConfig(max_tokens=8, width=32, num_layers=2, num_heads=2, output_width=16, vocab_size=50)
    tower = TextTower(config).eval()
    randomise(tower)
    rows = torch.tensor([[5, 9, 49, 0, 0], [5, 9, 49, 7, 3]])
    one, other = tower(rows)
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(tower(rows[:1, :3])[0], one)
    with pytest.raises(ValueError, match="9 tokens are more than the text tower's 8"):
        tower(torch.zeros(1, 9, dtype=torch.long))


@torch.no_grad()
def test_pictures_and_texts_are_compared_by_scaled_cosines():
    vision = PERCEPTION_ENCODERS["PE-Core-T16-384"].model_copy(update={"num_layers": 1, "image_size": 32})
    text = TEXT_TOWERS["PE-Core-T16-384"].model_copy(update={"num_layers": 1, "vocab_size": 50})
    model = PictureTextModel(vision, text).eval()
    randomise(model)
    model.logit_scale.fill_(torch.log(torch.tensor(100.0)))
    pictures = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    rows = torch.tensor([[1, 2, 49], [4, 49, 0]])
    scores = model(pictures, rows)
    assert scores.shape == (3, 2)
    seen, said = model.vision.embed(pictures), model.text(rows)
    expected = 100 * torch.nn.functional.cosine_similarity(seen[:, None], said[None], dim=-1)
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-4)
    rules = picture_text_layout(vision, text)
    tensors = write_tensors(rules, model.state_dict())
    assert tensors["visual.class_embedding"].shape == (192,)
    assert tensors["text_projection"].shape == (512, 512)
    again = state_of(rules, tensors, model.state_dict())
    assert all(torch.equal(again[name], tensor) for name, tensor in model.state_dict().items())


def test_every_core_release_has_a_text_tower_that_fits():
    cores = {name for name in PERCEPTION_ENCODERS if name.startswith("PE-Core")}
    assert set(TEXT_TOWERS) == cores
    for name in cores:
        with torch.device("meta"):
            model = PictureTextModel(PERCEPTION_ENCODERS[name], TEXT_TOWERS[name])
        rules = picture_text_layout(PERCEPTION_ENCODERS[name], TEXT_TOWERS[name])
        assert file_shapes(rules, model.state_dict())["text_projection"][1] == PERCEPTION_ENCODERS[name].output_width
