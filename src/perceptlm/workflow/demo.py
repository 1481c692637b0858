"""The demo: from procedural video to a PLM-VideoBench table, each stage an artifact inside one artifact.

Every step publishes a directory of its own, so a killed demo finds the finished ones and goes on with the rest.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from perceptlm import artifact
from perceptlm.log import console
from perceptlm.recipes.demo import DemoRecipe
from perceptlm.recipes.parts import part_path
from perceptlm.train.processor_artifact import make_processor
from perceptlm.train.stage import train_stage
from perceptlm.train.vision_features import release_features
from perceptlm.workflow.demo_report import SUMMARY, write_report, write_summary
from perceptlm.workflow.evaluation import evaluate_local
from perceptlm.world.make import make_world

KIND = "demo"
BLIND_FOLDER = "blind"
_TIMINGS = "timings"


def run_demo(out: Path, recipe: DemoRecipe, *, seed: int, overwrite: bool = False) -> Path:
    """Publish the whole chain as `out`; returns at once if it is there, goes on if it is half done."""

    def make(folder: Path) -> None:
        clock = _Clock.load(folder)
        with clock.measure("world"):
            world = make_world(folder / "world", recipe.world, seed)
        parts = {kind: _copy_part(name, folder / "parts") for kind, name in recipe.parts.items()}
        with clock.measure("processor"):
            processor = make_processor(folder / "processor", recipe.processor, decoder=parts["decoder"])
        for blind, place in ((False, folder), (True, folder / BLIND_FOLDER)):
            start, given = processor, parts
            for stage in recipe.stages:
                # A stage that trains the projector alone teaches a model that is shown nothing nothing.
                if blind and "decoder" not in stage.learning_rates:
                    continue
                with clock.measure(f"{stage.name} without pixels" if blind else stage.name):
                    config = stage.model_copy(update={"blind": blind})
                    start = train_stage(place / stage.name, config, world=world, start=start, seed=seed, parts=given)
                given = {}
        release_features()  # no more stages follow: the evaluation may have their memory
        with clock.measure("evaluation"):
            last = recipe.stages[-1].name
            evaluate_local(
                folder / "eval",
                recipe.evaluation.model_copy(update={"variants": ("own", "other", "trained_blind")}),
                data=world,
                model=folder / last,
                blind=folder / BLIND_FOLDER / last,
            )
        with clock.measure("report"):
            write_report(folder, recipe)
        write_summary(folder, recipe, clock.seconds)

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
    """Put a copy of a shipped part into the demo, so that it is whole without the package; return where."""
    place = folder / name
    if not place.is_dir():
        shipped = part_path(name)
        # A killed copy leaves no manifest, and is copied again.
        temporary = folder / f".{name}{artifact.TEMPORARY_SUFFIX}"
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.copytree(shipped, temporary, ignore=shutil.ignore_patterns("__pycache__", artifact.RUN_FOLDER))
        os.rename(temporary, place)
    return place


@dataclass
class _Clock:
    """Seconds per step, kept in `run/`, added up over interrupted runs."""

    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)
    say: Callable[[str], None] = field(default=lambda text: console().print(text))

    @classmethod
    def load(cls, folder: Path) -> _Clock:
        path = folder / artifact.RUN_FOLDER / f"{_TIMINGS}.json"
        seconds = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return cls(folder, {name: float(value) for name, value in seconds.items()})

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        self.say(f"[bold]{name}[/bold]")
        began = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - began
            self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 3)
            artifact.write_run_record(self.folder, _TIMINGS, self.seconds)
