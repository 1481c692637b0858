"""A training stage as an artifact: what it starts from, what it sees, and the checkpoint it publishes.

The published directory is in the layout `transformers` loads (see `pretrained`), with `recipe.yaml`, `metrics.jsonl`
(one line per step) and `loss.svg` beside the weights; rates and times are in `run/`. Where the recipe asks for
snapshots, models of earlier steps are kept in the same layout in `snapshots/STEP`. What low-rank matrices have learnt
is in the weights, and alone in `adapter/`, as PEFT reads it. Processes that `torchrun` started make it together.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from perceptlm import artifact
from perceptlm.config import dump_yaml
from perceptlm.data.plan import Plan
from perceptlm.log import logger
from perceptlm.model.plm import PerceptionLM
from perceptlm.model.weights.adapter_files import write_adapter
from perceptlm.preprocess.processor import Processor
from perceptlm.pretrained import save_pretrained
from perceptlm.seeding import derive_seed
from perceptlm.train.configuration import StageConfig
from perceptlm.train.curves import draw_loss_curve
from perceptlm.train.forecast import flops_of
from perceptlm.train.loader import StepLoader
from perceptlm.train.ranks import ALONE, Ranks
from perceptlm.train.sharding import whole_tensors
from perceptlm.train.stage_data import StageData
from perceptlm.train.starting_point import CHECKPOINT_KIND, empty_model, starting_point
from perceptlm.train.trainer import Trainer, forget_states
from perceptlm.train.training_log import METRICS
from perceptlm.train.validation import HeldOut
from perceptlm.train.vision_features import VisionFeatures

ADAPTER_FOLDER = "adapter"


def train_stage(
    out: Path,
    config: StageConfig,
    *,
    data: StageData,
    start: Path,
    seed: int,
    parts: Mapping[str, Path] | None = None,
    overwrite: bool = False,
    ranks: Ranks = ALONE,
    tensorboard: bool = False,
) -> Path:
    """Train one stage and publish its checkpoint at `out`; goes on from unfinished work.

    `start` is the checkpoint of the stage before, or a processor artifact, from which a fresh model of
    `config.preset` is initialised. `parts` (kind -> artifact) then replace what was initialised at random. All `ranks`
    call this with the same arguments, on a file system that they share. Raises what `Trainer.fit` raises.
    """
    parts = parts or {}

    def make(partial: Path) -> None:
        run = _Run(config, data, seed, ranks)
        run.train(partial, *starting_point(start, config, parts, seed, ranks), base=start, tensorboard=tensorboard)

    if not ranks.is_first:
        partial = ranks.of_first(Path())
        if partial != Path():
            make(partial)
        ranks.wait()
        return out
    with _others_told(ranks) as tell:
        data.check(config)
        artifact.require_kind(start, CHECKPOINT_KIND, "processor")
        for kind, part in parts.items():
            artifact.require_kind(part, kind)

        def make_together(partial: Path) -> None:
            tell(partial)
            make(partial)

        artifact.build(
            out,
            kind=CHECKPOINT_KIND,
            recipe=config.to_dict(),
            make=make_together,
            inputs={**data.inputs(), "start": start, **parts},
            seeds={"seed": seed},
            overwrite=overwrite,
        )
        forget_states(out)
    ranks.wait()
    return out


@contextmanager
def _others_told(ranks: Ranks) -> Iterator[Callable[[Path], None]]:
    """Let the first process tell the others where to work; without a word from it they have nothing to do."""
    told = False

    def tell(partial: Path) -> None:
        nonlocal told
        told = True
        ranks.of_first(partial.resolve())

    try:
        yield tell
    finally:
        if not told:
            ranks.of_first(Path())


@dataclass(frozen=True)
class _Run:
    """One stage's training in one process."""

    config: StageConfig
    data: StageData
    seed: int
    ranks: Ranks

    def train(self, partial: Path, model: PerceptionLM, processor: Processor, *, base: Path, tensorboard: bool) -> None:
        """Train `model` and write all that the checkpoint holds into `partial`."""
        config = self.config
        frozen = "vision_encoder" not in config.learning_rates
        features = VisionFeatures(model, config, processor.config) if frozen and not config.blind else None

        def save_model(directory: Path) -> None:
            whole = self._whole(model)
            if whole is not None:
                save_pretrained(directory, whole, processor)

        plan, looked_at = self.data.plans(config, self.seed)
        held_out = None
        if looked_at is not None:
            loader = self._loader(looked_at, looked_at.num_steps, model, processor, features)
            held_out = HeldOut(loader, looked_at.num_steps, config.preference)
        Trainer(
            model,
            self._loader(plan, config.num_steps, model, processor, features),
            config,
            partial,
            save_model,
            ranks=self.ranks,
            held_out=held_out,
            idle=processor.collate_rows([]),
            tensorboard=tensorboard,
        ).fit()
        whole = self._whole(model)
        if whole is not None:
            save_pretrained(partial, whole, processor)
            if config.low_rank is not None:
                write_adapter(partial / ADAPTER_FOLDER, whole, base=base.resolve().name)
            self._write_records(partial, processor)

    def _loader(
        self, plan: Plan, num_steps: int, model: PerceptionLM, processor: Processor, features: VisionFeatures | None
    ) -> StepLoader:
        trained = tuple(self.config.learning_rates)

        def cost(num_pictures: int, num_tokens: int) -> float:
            return flops_of(
                model.config,
                trained,
                num_encoded=num_pictures if features is None else 0,
                num_pictures=num_pictures,
                lengths=(num_tokens,),
                num_supervised=0,
            )

        return StepLoader(
            plan,
            processor,
            self.config,
            derive_seed(self.seed, "draws", self.config.name),
            num_steps=num_steps,
            ranks=self.ranks,
            cost=cost,
            num_path_draws=model.vision_encoder.num_path_draws if "vision_encoder" in trained else 0,
            features=features,
        )

    def _whole(self, model: PerceptionLM) -> PerceptionLM | None:
        """Return a model that is in one piece, in the first process; None in the others."""
        if self.ranks.mesh is None:
            return model
        tensors = whole_tensors(model, self.ranks)
        if tensors is None:
            return None
        whole = empty_model(model.config, self.config, self.seed)
        whole.load_state_dict(tensors, assign=True)
        return whole

    def _write_records(self, partial: Path, processor: Processor) -> None:
        title = f"{self.config.name}: loss per supervised token"
        artifact.write_atomic(partial / "recipe.yaml", dump_yaml(self.config).encode())
        artifact.write_atomic(partial / "loss.svg", draw_loss_curve(partial / METRICS, title))
        artifact.write_run_record(partial, "memory", {"peak_bytes": peak_memory_bytes()})
        for number, what in (
            (processor.num_dropped_branches, "samples did not fit and were left out of their Example"),
            (processor.num_shortened, "times a sample was shown fewer frames or tiles so that it fits"),
        ):
            if number:
                logger.warning("%s: %d %s (%d tokens)", self.config.name, number, what, processor.config.max_tokens)


def peak_memory_bytes() -> int:
    """Return the largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
