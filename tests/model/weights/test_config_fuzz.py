"""Configurations that are not what they should be: a configuration that holds, or one ConfigError, and nothing else."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perceptlm.errors import ConfigError
from perceptlm.model.configuration import PLMConfig
from perceptlm.model.presets import plm_1b, plm_8b
from perceptlm.model.weights import hf_config, original_config

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
READERS = {
    "transformers": (hf_config.from_json, hf_config.to_json),
    "original": (original_config.from_params, original_config.to_params),
}


def places(values: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value within `values`."""
    if not isinstance(values, dict):
        return [path]
    return ([path] if path else []) + [place for key in values for place in places(values[key], (*path, key))]


def outcome(read: Callable[..., PLMConfig], values: Any) -> PLMConfig | str:
    """Return what is read, or in which words it is refused."""
    try:
        return read(values)
    except ConfigError as error:
        return error.message


def changed(values: Any, path: tuple[Any, ...], change: Any) -> Any:
    values = copy.deepcopy(values)
    inner = values
    for key in path[:-1]:
        inner = inner[key]
    change(inner, path[-1])
    return values


@pytest.mark.parametrize("layout", READERS)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_any_value_anywhere(layout, data):
    read, write = READERS[layout]
    values = write(data.draw(st.sampled_from([plm_1b(), plm_8b()])))
    place = data.draw(st.sampled_from(places(values)))
    value = data.draw(JSON)
    found = outcome(read, changed(values, place, lambda inner, key: inner.__setitem__(key, value)))
    if isinstance(found, PLMConfig):
        assert read(write(found)) == found
    else:
        assert "\n" not in found


def test_heads_must_share_out_the_width():
    values = original_config.to_params(plm_1b())
    values["model"]["dim"] = 65
    with pytest.raises(ConfigError, match=r"'model\.dim' 65 is not shared out over 32 heads"):
        original_config.from_params(values)


@pytest.mark.parametrize("layout", READERS)
@pytest.mark.parametrize("number", range(60))
def test_any_key_left_out(layout, number):
    read, write = READERS[layout]
    values = write(plm_1b())
    paths = places(values)
    if number < len(paths):
        found = outcome(read, changed(values, paths[number], lambda inner, key: inner.pop(key)))
        assert isinstance(found, PLMConfig) or str(paths[number][-1]) in found


@given(st.text(min_size=1, max_size=12))
def test_any_unknown_key_of_transformers_is_named(key):
    values = hf_config.to_json(plm_1b())
    for path in ((key,), ("text_config", key), ("vision_config", key), ("vision_config", "model_args", key)):
        inner = values
        for part in path[:-1]:
            inner = inner[part]
        if key in inner or key.startswith("_") or key in hf_config._PASSED_OVER:
            continue
        with pytest.raises(ConfigError, match="unknown key"):
            hf_config.from_json(changed(values, path, lambda inner, name: inner.__setitem__(name, 1)))
