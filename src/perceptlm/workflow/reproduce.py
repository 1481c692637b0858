"""Make an artifact again from its own record, and compare byte for byte.

Each kind of artifact has one function here that calls the code which makes it, with the recipe, seeds and inputs
that the manifest names. A kind without one cannot be reproduced, and says so.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from perceptlm.artifact import MANIFEST, Manifest, partial_path, read_manifest
from perceptlm.config import parse
from perceptlm.errors import ArtifactError

Rebuild = Callable[[Manifest, dict[str, Path], Path], Path]


@dataclass(frozen=True)
class Reproduction:
    """What came of making an artifact again. `differences` name files; empty means equal in every byte."""

    directory: Path
    kind: str
    digest: str
    new_digest: str
    num_files: int
    differences: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """True if the digested content is the same."""
        return self.digest == self.new_digest and not self.differences


def reproduce(directory: Path, *, work: Path | None = None, keep: bool = False) -> Reproduction:
    """Make `directory` again at `work` (default: beside it) and compare; goes on from unfinished work."""
    manifest = read_manifest(directory)
    if manifest.kind not in REBUILD:
        known = ", ".join(sorted(REBUILD))
        raise ArtifactError(f"{directory}: cannot reproduce an artifact of kind '{manifest.kind}' (known: {known})")
    work = work or directory.resolve().with_name(directory.resolve().name + ".reproduced")
    if work.exists():
        if not (work / MANIFEST).is_file():
            raise ArtifactError(f"{work} stands in the way", hint="remove it or choose another --work directory")
        shutil.rmtree(work)
    inputs = {name: _input_path(directory, name, entry.path) for name, entry in manifest.inputs.items()}
    for name, path in inputs.items():
        if read_manifest(path).digest != manifest.inputs[name].digest:
            raise ArtifactError(f"{directory}: its input '{name}' at {path} is not the one it was made from")
    REBUILD[manifest.kind](manifest, inputs, work)
    remade = read_manifest(work)
    result = Reproduction(
        directory=directory,
        kind=manifest.kind,
        digest=manifest.digest,
        new_digest=remade.digest,
        num_files=_count_files(directory),
        differences=tuple(compare(directory, work)),
        notes=tuple(_explain(manifest, remade)),
    )
    if result.equal and not keep:
        shutil.rmtree(work)
        shutil.rmtree(partial_path(work), ignore_errors=True)
    return result


def compare(first: Path, second: Path, prefix: str = "") -> list[str]:
    """Return the digested files in which two artifacts differ, children included."""
    a, b = read_manifest(first), read_manifest(second)
    differences = [
        prefix + name for name in sorted({*a.outputs, *b.outputs}) if a.outputs.get(name) != b.outputs.get(name)
    ]
    for name in sorted({*a.children, *b.children}):
        if name not in a.children or name not in b.children:
            differences.append(f"{prefix}{name}/")
        elif a.children[name] != b.children[name]:
            found = compare(first / name, second / name, f"{prefix}{name}/")
            differences += found or [f"{prefix}{name}/{MANIFEST}"]
    return differences


def _count_files(directory: Path) -> int:
    manifest = read_manifest(directory)
    return len(manifest.outputs) + sum(_count_files(directory / name) for name in manifest.children)


def _input_path(directory: Path, name: str, relative: str) -> Path:
    path = Path(os.path.normpath(directory / relative))
    if not (path / MANIFEST).is_file():
        raise ArtifactError(f"{directory}: its input '{name}' is missing at {path}")
    return path


def _explain(old: Manifest, new: Manifest) -> list[str]:
    """Say what differed around the two runs; equal bytes are promised only where these agree."""
    notes = []
    for what in ("environment", "hardware"):
        before, after = getattr(old, what), getattr(new, what)
        for key in sorted({*before, *after}):
            if before.get(key) != after.get(key):
                notes.append(f"{what} {key}: then {before.get(key)}, now {after.get(key)}")
    if old.code["source_digest"] != new.code["source_digest"]:
        notes.append("the package's source code has changed since")
    return notes


def _rebuild_world(manifest: Manifest, inputs: dict[str, Path], out: Path) -> Path:
    from perceptlm.world.make import make_world
    from perceptlm.world.settings import WorldSettings

    return make_world(out, parse(WorldSettings, manifest.recipe, source="manifest"), manifest.seeds["seed"])


def _rebuild_world_bench(manifest: Manifest, inputs: dict[str, Path], out: Path) -> Path:
    from perceptlm.recipes.world_bench import WorldBenchRecipe
    from perceptlm.workflow.world_bench import make_world_bench

    return make_world_bench(out, parse(WorldBenchRecipe, manifest.recipe, source="manifest"))


def _rebuild_processor(manifest: Manifest, inputs: dict[str, Path], out: Path) -> Path:
    from perceptlm.train.configuration import ProcessorRecipe
    from perceptlm.train.processor_artifact import make_processor

    recipe = parse(ProcessorRecipe, manifest.recipe, source="manifest")
    return make_processor(out, recipe, world=inputs.get("world"), decoder=inputs.get("decoder"))


def _rebuild_checkpoint(manifest: Manifest, inputs: dict[str, Path], out: Path) -> Path:
    from perceptlm.train.configuration import StageConfig
    from perceptlm.train.parts.make_parts import PART_KINDS
    from perceptlm.train.stage import train_stage
    from perceptlm.train.stage_data import INPUT_PREFIX, DataFolder, StageData

    config = parse(StageConfig, manifest.recipe, source="manifest")
    seed = manifest.seeds["seed"]
    parts = {name: path for name, path in inputs.items() if name in PART_KINDS}
    sources = {name.removeprefix(INPUT_PREFIX): path for name, path in inputs.items() if name.startswith(INPUT_PREFIX)}
    # Where media lay is not recorded: in the dataset itself, or they are missed by name.
    data = StageData(inputs.get("world"), {name: DataFolder(path) for name, path in sources.items()})
    return train_stage(out, config, data=data, start=inputs["start"], seed=seed, parts=parts)


def _rebuild_part(manifest: Manifest, inputs: dict[str, Path], out: Path) -> Path:
    from perceptlm.train.parts.make_parts import make_part, recipe_type

    recipe = parse(recipe_type(manifest.kind), manifest.recipe, source="manifest")
    return make_part(manifest.kind, out, recipe, inputs=inputs, seed=manifest.seeds["seed"])


def _rebuild_eval(manifest: Manifest, inputs: dict[str, Path], out: Path) -> Path:
    from perceptlm.eval.datasets import EvalData

    if manifest.recipe.get("judge", {}).get("backend", "rules") != "rules":
        raise ArtifactError("this evaluation asked a model to judge, and its replies cannot be made again")
    from perceptlm.eval.settings import EvalSettings
    from perceptlm.workflow.evaluation import evaluate_local

    if "model" not in inputs:
        backend = manifest.recipe["model"]["backend"]
        raise ArtifactError(f"this evaluation asked a model through '{backend}', and only our own are asked again")
    settings = parse(EvalSettings, manifest.recipe["settings"], source="manifest")
    names = sorted((name for name in inputs if name.startswith("data")), key=lambda name: (len(name), name))
    data = [EvalData(inputs[name]) for name in names]
    return evaluate_local(out, settings, data=data, model=inputs["model"], blind=inputs.get("blind_model"))


def _rebuild_demo(manifest: Manifest, inputs: dict[str, Path], out: Path) -> Path:
    from perceptlm.recipes.demo import DemoRecipe
    from perceptlm.workflow.demo import run_demo

    return run_demo(out, parse(DemoRecipe, manifest.recipe, source="manifest"), seed=manifest.seeds["seed"])


REBUILD: dict[str, Rebuild] = {
    "words": _rebuild_part,
    "encoder": _rebuild_part,
    "projector": _rebuild_part,
    "vision": _rebuild_part,
    "decoder": _rebuild_part,
    "world": _rebuild_world,
    "worldbench": _rebuild_world_bench,
    "processor": _rebuild_processor,
    "checkpoint": _rebuild_checkpoint,
    "eval": _rebuild_eval,
    "demo": _rebuild_demo,
}
