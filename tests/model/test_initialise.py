import torch

from perceptlm.model import PerceptionLM
from perceptlm.model.presets import tiny


def values(config, seed: int) -> dict[str, torch.Tensor]:
    model = PerceptionLM(config)
    model.initialise(seed)
    return model.state_dict()


def test_same_seed_same_values_and_another_seed_others(small_config):
    first, again, other = values(small_config, 1), values(small_config, 1), values(small_config, 2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["decoder.embedding"], other["decoder.embedding"])


def test_a_layer_more_shifts_no_other(small_config):
    vision = small_config.vision.model_copy(update={"num_layers": 3})
    more = values(small_config.model_copy(update={"vision": vision}), 1)
    assert all(torch.equal(tensor, more[name]) for name, tensor in values(small_config, 1).items())


def test_every_parameter_is_set(small_config):
    model = PerceptionLM(small_config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(float("nan"))
    model.initialise(0)
    assert [name for name, p in model.named_parameters() if not bool(p.isfinite().all())] == []


def test_activations_keep_their_size():
    model = PerceptionLM(tiny(vocab_size=600, image_token_id=3)).eval()
    model.initialise(0)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        tokens = model.encode(torch.rand(4, 3, 96, 96, generator=random) * 2 - 1)
        hidden = model.decoder.norm(torch.randn(100, model.config.decoder.width, generator=random))
        logits = model.decoder.logits(hidden)
    assert 0.1 < float(tokens.std()) < 1.5
    assert 0.8 < float(logits.std()) < 1.2
    deviation = float(model.decoder.blocks[0].gate_up.weight.detach().std())
    assert abs(deviation * model.config.decoder.width**0.5 - 1) < 0.02


def test_projector_is_truncated(small_config):
    found = values(small_config, 0)
    for name in ("projector.linear_1.weight", "projector.linear_2.bias"):
        assert float(found[name].abs().max()) <= 3 / small_config.decoder.width**0.5
        assert float(found[name].abs().sum()) > 0
