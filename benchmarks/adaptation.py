"""What `plm train adapt` gives on a domain that a model has never seen, and what it costs elsewhere.

    python benchmarks/adaptation.py [--domain negatives] [--work out/adaptation] [--start out/demo/sft] [--limit 200]
        [--epochs 3] [--set KEY=VALUE] [--json]

Both domains have procedural clips of their own, and what the recipe is told of them (`DOMAINS`). `words`: a trade
that has its own names for every thing and colour, as trades have; what the model sees is what it knows, what it is
asked and must say is not. `negatives`: a camera that shows every colour as its opposite, so that what the model knows
of colours is wrong there and right elsewhere. It is adapted by the recipe of `plm train adapt`, with the general world
replayed. FGQA (multi-binary accuracy, chance 12.5 %) before and after, on benchmark clips of the domain and of the
general world. Peer: the model that it starts from. Without --start that is the shipped parts after the demo's warm-up.
Targets: at least 20 points more on the domain, at most 2 less on the general world.

Everything is kept in --work; the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perceptlm import artifact
from perceptlm.config import override
from perceptlm.errors import PerceptLMError
from perceptlm.eval.runner import SCORES
from perceptlm.eval.settings import EvalSettings
from perceptlm.exchange.jsonl import read_lines
from perceptlm.log import progress
from perceptlm.media.image import read_image, write_png
from perceptlm.media.open import count_frames
from perceptlm.media.video import read_frames
from perceptlm.media.write_video import write_video
from perceptlm.recipes.demo import demo
from perceptlm.recipes.parts import part_path
from perceptlm.seeding import generator
from perceptlm.train.processor_artifact import make_processor
from perceptlm.train.stage import train_stage
from perceptlm.train.stage_data import DataFolder, StageData
from perceptlm.workflow.adapt import Adaptation, plan_adaptation, run_adaptation
from perceptlm.workflow.evaluation import evaluate_local
from perceptlm.world.make import make_world
from perceptlm.world.settings import WorldSettings
from perceptlm.world.vocabulary import COLOURS, KINDS

GAIN, LOSS = 20.0, -2.0
_RATE = 8


def make_general(work: Path, num_clips: int) -> Path:
    """Return the general world."""
    settings = WorldSettings(
        num_clips=num_clips, num_validation_clips=10, num_benchmark_clips=200, num_images=num_clips,
        num_validation_images=10, num_benchmark_images=10,
    )  # fmt: skip
    return make_world(work / "general", settings, 0)


def make_domain(work: Path, name: str, num_clips: int) -> Path:
    """Return the domain `name`: a world of other clips, and how it differs."""
    settings = WorldSettings(
        num_clips=num_clips, num_validation_clips=30, num_benchmark_clips=200, num_images=num_clips // 4,
        num_validation_images=10, num_benchmark_images=10,
    )  # fmt: skip
    plain = make_world(work / "domain-plain", settings, 100)

    change, suffixes, _ = DOMAINS[name]

    def make(partial: Path) -> None:
        shutil.copytree(plain, partial, dirs_exist_ok=True, ignore=shutil.ignore_patterns(artifact.MANIFEST))
        files = sorted(path for path in partial.rglob("*") if path.name.endswith(suffixes))
        with progress() as bar:
            task = bar.add_task(name, total=len(files))
            for path in files:
                change(path)
                bar.advance(task)

    return artifact.build(work / name, kind="world", recipe={name: 1}, make=make, inputs={"of": plain})


def negate(path: Path) -> None:
    """Turn every colour of a picture or video into its opposite, in place."""
    if path.suffix == ".png":
        write_png(path, 255 - read_image(path))
        return
    frames = read_frames(path, range(count_frames(path)))
    write_video(path, 255 - frames, _RATE, quality=18)


def rename(path: Path) -> None:
    """Write every Sample of a file in the trade's words, in place."""
    names = trade_names()
    pattern = re.compile(rf"\b(an? )?({'|'.join(names)})(s?)\b(?! rectangle)", re.IGNORECASE)

    def in_trade(match: re.Match[str]) -> str:
        article, word, plural = match.groups()
        name = names[word.lower()]
        if word[0].isupper():
            name = name.capitalize()
        return f"{article[0] + ' ' if article else ''}{name}{plural}"

    def said(value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return {name: item if name == "facts" else said(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [said(item, key) for item in value]
        return pattern.sub(in_trade, value) if key in ("text", "options", "caption") else value

    records = [said(record, "") for _, record in read_lines(path)]
    path.write_text("".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records), encoding="utf-8")


def trade_names() -> dict[str, str]:
    """Return a name of two syllables, each its own, for every kind of thing and every colour."""
    random = generator(0, "trade names")
    syllables = [first + middle + last for first in "bdfglmnprstvz" for middle in "aeiou" for last in "lmnrsx"]
    order = random.permutation(len(syllables)).tolist()
    words = [*KINDS, *COLOURS]
    return {word: syllables[order[2 * n]] + syllables[order[2 * n + 1]] for n, word in enumerate(words)}


DOMAINS: dict[str, tuple[Callable[[Path], None], tuple[str, ...], tuple[str, ...]]] = {
    "words": (rename, ("samples.jsonl",), ()),
    "negatives": (
        negate,
        (".mp4", ".png"),
        ("learning_rates.vision_encoder=0.0005", "learning_rates.projector=0.0005", "ema_decay=0.99",
         "validation.patience=8"),
    ),
}  # fmt: skip
"""What is done to the files of a domain, to which, and what is changed of the recipe: where things look otherwise, the
vision encoder has to learn as well."""


def make_start(work: Path, general: Path) -> Path:
    """Return the shipped parts after the demo's warm-up."""
    recipe = demo()
    processor = make_processor(work / "processor", recipe.processor, decoder=part_path(recipe.parts["decoder"]))
    parts = {kind: part_path(name) for kind, name in recipe.parts.items()}
    return train_stage(work / "start", recipe.stages[0], data=StageData(general), start=processor, seed=0, parts=parts)


def score(work: Path, name: str, model: Path, world: Path, limit: int) -> dict[str, float]:
    """Return FGQA of a model on a world's benchmark, in percent, with its interval."""
    settings = EvalSettings(num_frames=16, limit=limit, variants=("own",), num_samples_per_chunk=512, tasks=("fgqa",))
    evaluate_local(work / name, settings, data=world, model=model)
    found = json.loads((work / name / SCORES).read_text(encoding="utf-8"))["tasks"]["fgqa"]
    return {key: 100 * found[key] for key in ("score", "ci_low", "ci_high")} | {"n": found["n"]}


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make what is missing and return all figures."""
    work: Path = arguments.work
    general, domain = make_general(work, arguments.clips), make_domain(work, arguments.domain, arguments.clips)
    start = arguments.start or make_start(work, general)
    wanted = Adaptation(start, DataFolder(domain), DataFolder(general), epochs=arguments.epochs)
    recipe = override(plan_adaptation(wanted), [*DOMAINS[arguments.domain][2], *arguments.set])
    adapted = run_adaptation(wanted, recipe, work / f"adapted-{arguments.domain}", seed=0)
    scores = {
        place: {
            "before": score(work, f"{arguments.domain}-before-{place}", start, world, arguments.limit),
            "after": score(work, f"{arguments.domain}-after-{place}", adapted, world, arguments.limit),
        }
        for place, world in (("domain", domain), ("general", general))
    }
    gains = {place: found["after"]["score"] - found["before"]["score"] for place, found in scores.items()}
    met = {"domain": gains["domain"] >= GAIN, "general": gains["general"] >= LOSS}
    return {"scores": scores, "gains": gains, "met": met}


def main() -> int:
    """Print one line per place; exit 1 if something stopped it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--domain", choices=DOMAINS, default="negatives")
    parser.add_argument("--set", action="append", default=[], help="change a value of the recipe: key=value")
    parser.add_argument("--work", type=Path, default=Path("out/adaptation"))
    parser.add_argument("--start", type=Path)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--epochs", type=float, default=3.0)
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
