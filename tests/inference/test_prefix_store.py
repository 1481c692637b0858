import torch

from perceptlm.inference.prefix_store import PrefixStore
from perceptlm.model.kv_cache import Prefix


def prefix(num_tokens: int) -> Prefix:
    """Eight bytes a token."""
    return Prefix((torch.zeros(1, num_tokens, 1),), (torch.zeros(1, num_tokens, 1),), torch.zeros(1))


def test_what_was_used_longest_ago_makes_room():
    store = PrefixStore(3 * 80)
    held = {name: prefix(10) for name in "abc"}
    for name, item in held.items():
        store.put(name, item)
    assert store.get("a") is held["a"]
    store.put("d", prefix(10))
    assert store.get("b") is None
    assert [store.get(name) is not None for name in "acd"] == [True, True, True]


def test_one_that_is_too_large_is_held_alone():
    store = PrefixStore(100)
    store.put("small", prefix(10))
    store.put("large", prefix(50))
    assert store.get("small") is None
    assert store.get("large") is not None
    store.put("next", prefix(10))
    assert store.get("large") is None
