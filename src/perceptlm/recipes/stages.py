"""The recipe of a stage by name: the demo's, a size's, or one from a file; and the data that it learns from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from perceptlm.config import load_yaml, parse
from perceptlm.errors import UsageError
from perceptlm.recipes.demo import demo
from perceptlm.recipes.plm_stages import plm_stage, stage_config
from perceptlm.recipes.starter_stages import STARTER, starter_stage
from perceptlm.train.configuration import StageConfig, StageSource


def stage_recipe(
    name: str, *, size: str | None = None, recipe: Path | None = None, sources: Mapping[str, StageSource]
) -> StageConfig:
    """Return the recipe of stage `name`: that of the file `recipe`, of the size `starter` or a published one, or the
    demo's.

    `sources`, if any, take the place of the tasks or sources that it names. UsageError for a stage that there is not,
    or a published recipe without sources, which has no data of its own.
    """
    if size is not None and recipe is not None:
        raise UsageError("give a size or a recipe, not both")
    if size == STARTER:
        return starter_stage(name, sources)
    if size is not None:
        if not sources:
            raise UsageError(f"{size} has no data of its own", hint="name the datasets in a YAML file: --blend FILE")
        return stage_config(plm_stage(size, name), sources)  # type: ignore[arg-type]
    if recipe is not None:
        config = load_yaml(StageConfig, recipe)
    else:
        known = {config.name: config for config in demo().stages}
        if name not in known:
            raise UsageError(f"there is no stage '{name}'", hint=f"stages: {', '.join(known)}")
        config = known[name]
    if not sources:
        return config
    return parse(StageConfig, config.to_dict() | {"tasks": {}, "sources": sources}, source=str(recipe or name))
