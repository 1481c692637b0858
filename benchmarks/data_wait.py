"""The share of training's time in which the model waits for data: the demo's third stage, and the same with pixels.

    python benchmarks/data_wait.py [--steps 12] [--groups N] [--clips 64] [--data WORLD] [--json]

A world is made in a temporary folder. `features kept` is as in the demo: the encoder is frozen, and what it makes of a
picture is made once, which is work and not waiting. `all parts` trains the encoder too, so that every clip is decoded
again in every step. The first step, before which nothing can be read ahead, is left out.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from perceptlm.exchange.jsonl import read_lines
from perceptlm.recipes.demo import demo
from perceptlm.recipes.parts import part_path
from perceptlm.train.configuration import StageConfig
from perceptlm.train.processor_artifact import make_processor
from perceptlm.train.stage import train_stage
from perceptlm.train.stage_data import StageData
from perceptlm.world.make import make_world

TARGET = 0.03


def waiting_share(out: Path, config: StageConfig, world: Path, processor: Path, parts: dict[str, Path]) -> float:
    """Train a stage and return the share of its seconds that went by waiting."""
    train_stage(out, config, data=StageData(world), start=processor, seed=0, parts=parts)
    rates = [rate for _, rate in read_lines(out / "run" / "throughput.jsonl")][1:]
    return float(sum(rate["data_wait_seconds"] for rate in rates) / sum(rate["seconds"] for rate in rates))


def make_data(out: Path, num_clips: int) -> Path:
    """Return a world of so many clips, and as many pictures, to learn from."""
    sizes = {"num_clips": num_clips, "num_images": num_clips, "num_benchmark_clips": 24}
    sizes |= {"num_validation_clips": 2, "num_validation_images": 2, "num_benchmark_images": 4}
    return make_world(out, demo().world.model_copy(update=sizes), 0)


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, train, print; 1 if the target is missed."""
    parser = argparse.ArgumentParser(description="The share of training's time spent waiting for data.")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--groups", type=int, help="groups of samples in a step (default: as in the demo)")
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--data", type=Path, help="a world to take instead of making one")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    recipe = demo()
    third = recipe.stages[-1]
    sizes = {"num_steps": options.steps, "num_groups": options.groups or third.num_groups}
    kept = third.model_copy(update={"preset": "tiny", **sizes})
    everything = kept.model_copy(update={"learning_rates": {"vision_encoder": 1e-5} | kept.learning_rates})
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        world = options.data or make_data(place / "world", options.clips)
        parts = {kind: part_path(name) for kind, name in recipe.parts.items()}
        processor = make_processor(place / "processor", recipe.processor, decoder=parts["decoder"])
        for number, (name, config) in enumerate({"features kept": kept, "all parts": everything}.items()):
            found[name] = waiting_share(place / str(number), config, world, processor, parts)
    met = max(found.values()) < TARGET
    if options.json:
        print(json.dumps(found | {"met": met}))
    else:
        for name, share in found.items():
            print(
                f"{name}: {share:.2%} of the time (target under {TARGET:.0%}: {'met' if share < TARGET else 'MISSED'})"
            )
    return int(not met)


if __name__ == "__main__":
    raise SystemExit(main())
