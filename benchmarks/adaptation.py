"""What `plm train adapt` gives on a domain that a model has never seen, and what it costs elsewhere.

    python benchmarks/adaptation.py [--work out/adaptation] [--start out/demo/sft] [--limit 200] [--epochs 4] [--json]

The domain is a camera that shows negatives: procedural clips of their own, every colour turned into its opposite, so
that what the model knows of colours is wrong there and right elsewhere. It is adapted by the recipe of `plm train
adapt`, with the general world replayed. FGQA (multi-binary accuracy, chance 12.5 %) before and after, on benchmark
clips of the domain and of the general world. Peer: the model that it starts from. Without --start that is the shipped
parts after the demo's warm-up. Targets: at least 20 points more on the domain, at most 2 less on the general world.

Everything is kept in --work; the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from perceptlm import artifact
from perceptlm.errors import PerceptLMError
from perceptlm.eval.runner import SCORES
from perceptlm.eval.settings import EvalSettings
from perceptlm.log import progress
from perceptlm.media.image import read_image, write_png
from perceptlm.media.open import count_frames
from perceptlm.media.video import read_frames
from perceptlm.media.write_video import write_video
from perceptlm.recipes.demo import demo
from perceptlm.recipes.parts import part_path
from perceptlm.train.processor_artifact import make_processor
from perceptlm.train.stage import train_stage
from perceptlm.train.stage_data import DataFolder, StageData
from perceptlm.workflow.adapt import Adaptation, plan_adaptation, run_adaptation
from perceptlm.workflow.evaluation import evaluate_local
from perceptlm.world.make import make_world
from perceptlm.world.settings import WorldSettings

GAIN, LOSS = 20.0, -2.0
_RATE = 8


def make_general(work: Path, num_clips: int) -> Path:
    """Return the general world."""
    settings = WorldSettings(
        num_clips=num_clips, num_validation_clips=10, num_benchmark_clips=200, num_images=num_clips,
        num_validation_images=10, num_benchmark_images=10,
    )  # fmt: skip
    return make_world(work / "general", settings, 0)


def make_negatives(work: Path, num_clips: int) -> Path:
    """Return the domain: a world of other clips, all of them negatives."""
    settings = WorldSettings(
        num_clips=num_clips, num_validation_clips=30, num_benchmark_clips=200, num_images=num_clips // 4,
        num_validation_images=10, num_benchmark_images=10,
    )  # fmt: skip
    positive = make_world(work / "domain-positive", settings, 100)

    def make(partial: Path) -> None:
        shutil.copytree(positive, partial, dirs_exist_ok=True, ignore=shutil.ignore_patterns(artifact.MANIFEST))
        files = sorted(path for path in partial.rglob("*") if path.suffix in (".mp4", ".png"))
        with progress() as bar:
            task = bar.add_task("negatives", total=len(files))
            for path in files:
                negate(path)
                bar.advance(task)

    return artifact.build(work / "domain", kind="world", recipe={"negative": 1}, make=make, inputs={"of": positive})


def negate(path: Path) -> None:
    """Turn every colour of a picture or video into its opposite, in place."""
    if path.suffix == ".png":
        write_png(path, 255 - read_image(path))
        return
    frames = read_frames(path, range(count_frames(path)))
    write_video(path, 255 - frames, _RATE, quality=18)


def make_start(work: Path, general: Path) -> Path:
    """Return the shipped parts after the demo's warm-up."""
    recipe = demo()
    processor = make_processor(work / "processor", recipe.processor, decoder=part_path(recipe.parts["decoder"]))
    parts = {kind: part_path(name) for kind, name in recipe.parts.items()}
    return train_stage(work / "start", recipe.stages[0], data=StageData(general), start=processor, seed=0, parts=parts)


def score(work: Path, name: str, model: Path, world: Path, limit: int) -> dict[str, float]:
    """Return FGQA of a model on a world's benchmark, in percent, with its interval."""
    settings = EvalSettings(num_frames=16, limit=limit, variants=("own",), num_samples_per_chunk=512)
    evaluate_local(work / name, settings, data=world, model=model)
    found = json.loads((work / name / SCORES).read_text(encoding="utf-8"))["tasks"]["fgqa"]
    return {key: 100 * found[key] for key in ("score", "ci_low", "ci_high")} | {"n": found["n"]}


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make what is missing and return all figures."""
    work: Path = arguments.work
    general, domain = make_general(work, arguments.clips), make_negatives(work, arguments.clips)
    start = arguments.start or make_start(work, general)
    wanted = Adaptation(start, DataFolder(domain), DataFolder(general), epochs=arguments.epochs)
    adapted = run_adaptation(wanted, plan_adaptation(wanted), work / "adapted", seed=0)
    scores = {
        place: {
            "before": score(work, f"before-{place}", start, world, arguments.limit),
            "after": score(work, f"after-{place}", adapted, world, arguments.limit),
        }
        for place, world in (("domain", domain), ("general", general))
    }
    gains = {place: found["after"]["score"] - found["before"]["score"] for place, found in scores.items()}
    met = {"domain": gains["domain"] >= GAIN, "general": gains["general"] >= LOSS}
    return {"scores": scores, "gains": gains, "met": met}


def main() -> int:
    """Print one line per place; exit 1 if something stopped it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("out/adaptation"))
    parser.add_argument("--start", type=Path)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--epochs", type=float, default=4.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    try:
        found = measure(arguments)
    except PerceptLMError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(found))
        return 0
    for place, target in (("domain", GAIN), ("general", LOSS)):
        before, after = found["scores"][place]["before"], found["scores"][place]["after"]
        verdict = "met" if found["met"][place] else "MISSED"
        print(
            f"{place:<8} FGQA {before['score']:.1f} -> {after['score']:.1f} "
            f"({after['ci_low']:.1f} to {after['ci_high']:.1f}), n {after['n']}: "
            f"{found['gains'][place]:+.1f} points, at least {target:+.0f} wanted: {verdict}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
