"""The demo: from procedural video to a PLM-VideoBench table, each stage an artifact inside one artifact.

Every step publishes a directory of its own, so a killed demo finds the finished ones and goes on with the rest.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from perceptlm import artifact
from perceptlm.recipes.demo import DemoRecipe
from perceptlm.recipes.parts import part_path
from perceptlm.train.processor_artifact import make_processor
from perceptlm.workflow.demo_clock import Clock
from perceptlm.workflow.demo_report import SUMMARY, write_report, write_summary
from perceptlm.workflow.demo_stages import BLIND_TIMINGS, Chain, train_with_and_without_pixels
from perceptlm.workflow.evaluation import evaluate_local
from perceptlm.world.make import make_world

KIND = "demo"
_TIMINGS = "timings"


def run_demo(out: Path, recipe: DemoRecipe, *, seed: int, overwrite: bool = False) -> Path:
    """Publish the whole chain as `out`; returns at once if it is there, goes on if it is half done."""

    def make(folder: Path) -> None:
        clock = Clock(folder, _TIMINGS)
        with clock.measure("world"):
            world = make_world(folder / "world", recipe.world, seed)
        parts = {kind: _copy_part(name, folder / "parts") for kind, name in recipe.parts.items()}
        with clock.measure("processor"):
            processor = make_processor(folder / "processor", recipe.processor, decoder=parts["decoder"])
        chain = Chain(recipe.stages, world, processor, parts, seed)
        model, blind = train_with_and_without_pixels(chain, folder, clock)
        with clock.measure("evaluation"):
            settings = recipe.evaluation.model_copy(update={"variants": ("own", "other", "trained_blind")})
            evaluate_local(folder / "eval", settings, data=world, model=model, blind=blind)
        with clock.measure("report"):
            write_report(folder, recipe)
        write_summary(folder, recipe, clock.seconds, beside=Clock(folder, BLIND_TIMINGS).seconds)

    return artifact.build(
        out,
        kind=KIND,
        recipe=recipe.to_dict(),
        make=make,
        seeds={"seed": seed},
        beside=(SUMMARY,),
        overwrite=overwrite,
    )


def _copy_part(name: str, folder: Path) -> Path:
    """Put copies of a shipped part and of those it was made from into the demo, so that it is whole without the
    package; return where."""
    place = folder / name
    if not place.is_dir():
        shipped = part_path(name)
        for entry in artifact.read_manifest(shipped).inputs.values():
            _copy_part(Path(entry.path).name, folder)
        # A killed copy leaves no manifest, and is copied again.
        temporary = folder / f".{name}{artifact.TEMPORARY_SUFFIX}"
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            shutil.copytree(shipped, temporary, ignore=shutil.ignore_patterns("__pycache__", artifact.RUN_FOLDER))
        except OSError:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        os.rename(temporary, place)
    return place
