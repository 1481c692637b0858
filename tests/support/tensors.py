"""Tensors of a file that are in memory already, read as a file's are."""

from collections.abc import Iterable, Mapping

from torch import Tensor

from perceptlm.model.weights.rules import Rule, check_shapes, file_shapes, read_state


def state_of(rules: Iterable[Rule], tensors: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state that the tensors of a file make, checked against the shapes of `like`."""
    rules = list(rules)
    check_shapes({name: tuple(tensor.shape) for name, tensor in tensors.items()}, file_shapes(rules, like))
    return dict(read_state(rules, tensors.__getitem__))
