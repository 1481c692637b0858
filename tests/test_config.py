"""config: closed records, errors that name the key, YAML that reloads, overrides."""

import math
from typing import Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from perceptlm.config import Config, canonical_json, digest_of, dump_yaml, file_digest, load_yaml, override, parse
from perceptlm.errors import ConfigError


class Optimiser(Config):
    learning_rate: float = Field(default=1e-3, gt=0)
    betas: tuple[float, float] = (0.9, 0.95)


class Stage(Config):
    name: Literal["warmup", "sft"] = "warmup"
    num_steps: int = 10
    optimiser: Optimiser = Optimiser()


class Recipe(Config):
    title: str = "a"
    stages: tuple[Stage, ...] = (Stage(),)
    extra: Optimiser | None = None
    weights: dict[str, float] = Field(default_factory=dict)


def test_unknown_key_is_named_with_the_nearest_one():
    with pytest.raises(ConfigError, match=r"my\.yaml: unknown key 'titel' \(did you mean 'title'\?\)"):
        parse(Recipe, {"titel": "x"}, source="my.yaml")


@pytest.mark.parametrize(
    ("values", "key", "near"),
    [
        ({"extra": {"learning_rat": 1}}, "extra.learning_rat", "learning_rate"),
        ({"stages": [{}, {"num_step": 1}]}, "stages.1.num_step", "num_steps"),
        ({"stages": [{"optimiser": {"beta": 1}}]}, "stages.0.optimiser.beta", "betas"),
    ],
)
def test_nested_unknown_keys_are_named_too(values, key, near):
    with pytest.raises(ConfigError) as caught:
        parse(Recipe, values)
    assert f"'{key}' (did you mean '{near}'?)" in caught.value.message


def test_every_wrong_key_is_reported_at_once():
    with pytest.raises(ConfigError) as caught:
        parse(Recipe, {"stages": [{"name": "x", "num_steps": "many"}], "qqq": 1})
    for part in ("'stages.0.name'", "'stages.0.num_steps'", "unknown key 'qqq'"):
        assert part in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused(number):
    with pytest.raises(ConfigError, match=r"weights\.a"):
        parse(Recipe, {"weights": {"a": number}})


def test_configurations_are_frozen():
    with pytest.raises(ValidationError):
        Recipe().title = "b"


def test_yaml_round_trip(tmp_path):
    recipe = Recipe(title="ü: [x]", stages=(Stage(num_steps=3), Stage(name="sft")), weights={"no": 0.1, "1": 1e-12})
    path = tmp_path / "recipe.yaml"
    path.write_text(dump_yaml(recipe), encoding="utf-8")
    assert load_yaml(Recipe, path) == recipe
    assert load_yaml(Recipe, path).content_digest() == recipe.content_digest()


@given(st.builds(Optimiser, learning_rate=st.floats(min_value=0, exclude_min=True, allow_infinity=False)), st.text())
def test_yaml_round_trip_keeps_every_float_and_text(optimiser, title):
    recipe = Recipe(title=title, extra=optimiser)
    assert parse(Recipe, yaml.safe_load(dump_yaml(recipe))) == recipe


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"a: [1, 2", "not valid YAML"),
        (b"a: 2020-13-45", "not valid YAML"),
        (b"- 1\n- 2", "found list"),
        (b"", "found NoneType"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"on: 1", "bad.yaml"),
        (b"x: !!python/object/apply:os.system ['true']", "not valid YAML"),
    ],
)
def test_a_bad_file_is_one_sentence_naming_it(tmp_path, text, complaint):
    path = tmp_path / "bad.yaml"
    path.write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        load_yaml(Recipe, path)
    assert caught.value.message.startswith(str(path))
    assert complaint in caught.value.message
    assert "\n" not in caught.value.message


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        load_yaml(Recipe, tmp_path / "none.yaml")


def test_overrides_reach_into_sections():
    start = Recipe(extra=Optimiser())
    changed = override(start, ["extra.learning_rate=1e-4", "title=x=y", "weights={a: 2}"])
    assert (changed.extra.learning_rate, changed.title, changed.weights) == (1e-4, "x=y", {"a": 2.0})
    assert start.extra.learning_rate == 1e-3
    assert override(start, []) == start


def test_overrides_reach_into_entries_of_lists():
    changed = override(Recipe(stages=(Stage(), Stage())), ["stages.1.num_steps=2", "stages.0.optimiser.betas=[0, 1]"])
    assert [stage.num_steps for stage in changed.stages] == [10, 2]
    assert [stage.optimiser.betas for stage in changed.stages] == [(0, 1), (0.9, 0.95)]


@pytest.mark.parametrize(
    ("assignment", "complaint"),
    [
        ("title", "not of the form key=value"),
        ("nothing.here=1", "no section 'nothing'"),
        ("title.x=1", "no section 'title'"),
        ("titel=1", "did you mean 'title'"),
        ("title=[1", "not valid YAML"),
        ("extra.learning_rate=-1", "extra.learning_rate"),
        ("=1", "unknown key"),
        ("stages.1.num_steps=1", "no section '1'"),
        ("stages.first.num_steps=1", "no section 'first'"),
        ("stages.0=1", "'0' names no key"),
    ],
)
def test_a_bad_override_is_named(assignment, complaint):
    with pytest.raises(ConfigError) as caught:
        override(Recipe(extra=Optimiser()), [assignment])
    assert complaint in caught.value.message


def test_digests_ignore_key_order_and_refuse_what_json_lacks():
    assert digest_of({"a": 1, "b": [1.5, "é"]}) == digest_of({"b": [1.5, "é"], "a": 1})
    assert canonical_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}'
    with pytest.raises(ValueError):
        digest_of({"a": math.nan})


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_digest(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
