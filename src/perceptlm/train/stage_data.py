"""What a stage learns from and looks at: the tasks of one dataset, or several datasets together.

Turns folders and a recipe into plans. Knows no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from perceptlm import artifact
from perceptlm.config import load_yaml
from perceptlm.data.blend import Blend
from perceptlm.data.dataset_files import has_pairs
from perceptlm.data.plan import HeldOutPlan, Plan, SourcePlan, TaskPlan, Unit, first_groups
from perceptlm.data.sample_set import SampleSet
from perceptlm.data.source import Source, keep_back, spread
from perceptlm.errors import ConfigError, DataError
from perceptlm.schema import Split
from perceptlm.seeding import derive_seed
from perceptlm.train.configuration import StageConfig, StageSource

INPUT_PREFIX = "source "
"""Begins the name of a source among the inputs in a checkpoint's manifest."""


@dataclass(frozen=True)
class DataFolder:
    """A dataset, and where paths of its media begin; None: in the dataset."""

    data: Path
    media: Path | None = None


@dataclass(frozen=True)
class StageData:
    """Either `world`, whose tasks come by weight, or the folders of the recipe's `sources` by name."""

    world: Path | None = None
    sources: Mapping[str, DataFolder] = field(default_factory=dict)

    def check(self, config: StageConfig) -> None:
        """Raise ConfigError or ArtifactError if these are not what the recipe learns from."""
        if config.tasks and self.world is None:
            raise ConfigError(f"stage {config.name} learns tasks of one dataset, and none is given", hint="--data DIR")
        if config.sources.keys() != self.sources.keys():
            raise ConfigError(
                f"stage {config.name} learns from the sources {_names(config.sources)}, and given are "
                f"{_names(self.sources)}"
            )
        for path in self.inputs().values():
            artifact.require_kind(path, "world", "dataset")
        if config.preference is not None:
            self._check_pairs(config)

    def _check_pairs(self, config: StageConfig) -> None:
        """Raise DataError where there is nothing to prefer."""
        splits: list[tuple[Path, Split]] = [] if self.world is None else [(self.world, "train")]
        splits += [(folder.data, config.sources[name].split) for name, folder in self.sources.items()]
        if not any(has_pairs(root, split) for root, split in splits):
            raise DataError(
                f"stage {config.name} learns from pairs of answers, but no sample of "
                f"{', '.join(str(root / split) for root, split in splits)} has the field 'rejected'",
                hint="plm data convert llava makes it of rows with 'chosen' and 'rejected'",
            )

    def inputs(self) -> dict[str, Path]:
        """Return the inputs that a checkpoint's manifest names."""
        found = {} if self.world is None else {"world": self.world}
        return found | {INPUT_PREFIX + name: folder.data for name, folder in self.sources.items()}

    def plans(self, config: StageConfig, seed: int) -> tuple[Plan, HeldOutPlan | None]:
        """Return what is learnt from, and what is looked at while learning, if the recipe wants to look."""
        settings = config.validation
        if self.world is not None:
            learnt = TaskPlan(
                SampleSet.open(self.world, "train", tuple(config.tasks)),
                self.world,
                config.tasks,
                derive_seed(seed, "batches", config.name),
                config.num_groups,
                config.num_branches,
            )
            if settings is None:
                return learnt, None
            held = SampleSet.open(self.world, settings.split, tuple(config.tasks))
            units: tuple[Unit, ...] = first_groups(
                held, self.world, num_groups=settings.num_groups, num_branches=config.num_branches
            )
            return learnt, _held_out_plan(units, config)
        sources, looked_at = self._open_sources(config, seed)
        plan = SourcePlan(
            list(sources.values()),
            [config.sources[name].repeats for name in sources],
            seed=derive_seed(seed, "batches", config.name),
            num_units=config.num_groups,
        )
        if settings is None:
            return plan, None
        if not looked_at:
            raise ConfigError(
                f"stage {config.name}: none of its sources has a split '{settings.split}', or keeps something back",
                hint="set held_out of a source, or leave out validation",
            )
        return plan, _held_out_plan(spread(list(looked_at.values()), settings.num_groups), config)

    def _open_sources(self, config: StageConfig, seed: int) -> tuple[dict[str, Source], dict[str, Source]]:
        """Return what is learnt from of every source, and what is looked at of those that have something."""
        settings = config.validation
        wanted = () if settings is None else settings.sources or tuple(config.sources)
        learnt, looked_at = {}, {}
        for name, recipe in config.sources.items():
            folder = self.sources[name]
            source = Source.open(name, folder.data, recipe.split, folder.media)
            kept = None
            if recipe.held_out:
                source, kept = keep_back(source, recipe.held_out, seed)
            elif settings is not None and name in wanted and (folder.data / settings.split).is_dir():
                kept = Source.open(name, folder.data, settings.split, folder.media)
            learnt[name] = source
            if kept is not None and name in wanted:
                looked_at[name] = kept
        if settings is not None and (missing := set(settings.sources) - looked_at.keys()):
            raise ConfigError(f"there is nothing to look at in source '{min(missing)}'", hint="set its held_out")
        return learnt, looked_at


def read_blend(path: Path) -> tuple[dict[str, StageSource], dict[str, DataFolder]]:
    """Return the sources of a blend file, and their folders, which are relative to it."""
    blend = load_yaml(Blend, path)
    sources = {item.name: StageSource(split=item.split, repeats=item.repeats) for item in blend.sources}
    folders = {
        item.name: DataFolder(path.parent / item.data, None if item.media is None else path.parent / item.media)
        for item in blend.sources
    }
    return sources, folders


def _held_out_plan(units: Sequence[Unit], config: StageConfig) -> HeldOutPlan:
    """Return the plan of what is looked at; ConfigError if pairs are wanted and none is among them."""
    if config.preference is not None and not any(map(_has_pair, units)):
        raise ConfigError(
            f"stage {config.name} learns from pairs of answers, but none of the {len(units)} held-out groups has one",
            hint="keep back more (held_out), look at more (validation.num_groups), or leave out validation",
        )
    return HeldOutPlan(tuple(units), config.num_groups)


def _has_pair(unit: Unit) -> bool:
    try:
        return any(sample.rejected is not None for sample in unit.read())
    except DataError:  # the look will leave it out
        return False


def _names(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(names)) or "none"
