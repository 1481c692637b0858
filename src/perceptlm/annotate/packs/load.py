"""Loading a pack: every file read, and everything that one file says of another checked. Draws and writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from perceptlm.annotate.packs.guideline import check_guideline
from perceptlm.annotate.packs.pack import CheckItem, PackFile, PackItem
from perceptlm.annotate.packs.pack_files import (
    MANUAL,
    check_pictures,
    list_pack,
    read_records_with_lines,
    read_text,
    read_yaml,
)
from perceptlm.annotate.packs.scenes import SceneRecipe
from perceptlm.errors import DataError, UsageError
from perceptlm.media.open import open_media

R = TypeVar("R")

SHIPPED = Path(__file__).with_name("shipped")


@dataclass(frozen=True)
class Pack:
    """A pack that holds together. `root` is where it was read from."""

    root: Path
    file: PackFile
    guideline: str
    pictures: tuple[str, ...]
    items: tuple[PackItem, ...]
    gold: tuple[CheckItem, ...]
    calibration: tuple[CheckItem, ...]
    scenes: tuple[SceneRecipe, ...]
    media: tuple[str, ...]
    """Shipped files, as media/NAME; those of scenes are drawn."""

    def all_items(self) -> tuple[PackItem, ...]:
        """Return work, gold and calibration, in this order."""
        return (*self.items, *(check.item for check in (*self.gold, *self.calibration)))


def shipped_packs() -> tuple[str, ...]:
    """Return the names of the packs that come with perceptlm."""
    return tuple(sorted(path.name for path in SHIPPED.iterdir() if (path / "pack.yaml").is_file()))


def find_pack(name: str) -> Path:
    """Return the directory of a pack: a shipped one by its name, any other by its path; UsageError if there is none."""
    if name in shipped_packs():
        return SHIPPED / name
    path = Path(name)
    if path.is_dir():
        return path
    raise UsageError(f"there is no pack '{name}'", hint=f"shipped: {', '.join(shipped_packs())}; or give a directory")


def load_pack(path: Path) -> Pack:
    """Return the pack in a directory. DataError naming file, line and field for what is wrong first."""
    files = list_pack(path)
    file = read_yaml(path / "pack.yaml", PackFile)
    pictures = check_pictures(path, files)
    guideline = read_text(path / "guideline.md")
    check_guideline(path / "guideline.md", guideline, pictures)
    scenes = read_records_with_lines(path / "scenes.jsonl", SceneRecipe)
    items = read_records_with_lines(path / "items.jsonl", PackItem)
    gold = read_records_with_lines(path / "gold.jsonl", CheckItem)
    calibration = read_records_with_lines(path / "calibration.jsonl", CheckItem)
    media = tuple(name for name in files if name.startswith("media/"))
    _check_assets(path, media, scenes)
    lengths = {recipe.media_path: recipe.num_frames for _, recipe in scenes}
    checker = _Checker(file, {*media, *lengths}, lengths)
    for line, item in items:
        checker.item(path / "items.jsonl", line, item)
    for name, checks in (("gold.jsonl", gold), ("calibration.jsonl", calibration)):
        for line, check in checks:
            checker.item(path / name, line, check.item)
            checker.check(path / name, line, check)
    if not items:
        raise DataError("a pack needs at least one item", path=path / "items.jsonl", hint=MANUAL)
    return Pack(
        root=path, file=file, guideline=guideline, pictures=pictures, items=_records(items), gold=_records(gold),
        calibration=_records(calibration), scenes=tuple(recipe for _, recipe in scenes), media=media,
    )  # fmt: skip


def _records(numbered: Sequence[tuple[int, R]]) -> tuple[R, ...]:
    return tuple(record for _, record in numbered)


def _check_assets(root: Path, media: Sequence[str], scenes: Sequence[tuple[int, SceneRecipe]]) -> None:
    for name in media:
        open_media(root / name)
    seen = set(media)
    for line, recipe in scenes:
        if recipe.media_path in seen:
            raise DataError(f"{recipe.media_path} is there already", path=root / "scenes.jsonl", line=line)
        seen.add(recipe.media_path)


class _Checker:
    """What an item may name, and the keys seen so far."""

    def __init__(self, file: PackFile, assets: set[str], lengths: dict[str, int]) -> None:
        self._file = file
        self._assets = assets
        self._lengths = lengths
        self._domains = {node.id for node in file.domain_nodes()}
        self._keys: set[str] = set()

    def item(self, path: Path, line: int, item: PackItem) -> None:
        def fail(field: str, message: str, hint: str | None = None) -> DataError:
            return DataError(f"item '{item.key}', {field}: {message}", path=path, line=line, hint=hint)

        if item.key in self._keys:
            raise fail("key", "stands in the pack twice")
        self._keys.add(item.key)
        if item.asset not in self._assets:
            raise fail(
                "asset", f"'{item.asset}' is neither a file nor a scene", "add the file, or a line to scenes.jsonl"
            )
        if item.domain not in self._domains:
            raise fail("domain", f"there is no domain '{item.domain}'", f"one of {sorted(self._domains)}")
        kind = self._file.question_type(item.question_type)
        if kind is None:
            known = [entry.id for entry in self._file.question_types]
            raise fail("question_type", f"there is no question type '{item.question_type}'", f"one of {known}")
        if kind.kind == "fgqa" and item.options is not None:
            raise fail("options", "a free answer has none")
        if kind.kind == "choice" and (item.options is None) == (kind.options is None):
            raise fail("options", "stand either with the question type or with the item")
        options = item.options or kind.options or ()
        for proposal in item.proposals:
            allowed = ("choice",) if kind.kind == "choice" else ("answer", "distractor")
            if proposal.kind not in allowed:
                raise fail("proposals", f"a {kind.kind} question has proposals of kind {' and '.join(allowed)}")
            if proposal.kind == "choice" and proposal.text not in map(str, range(len(options))):
                raise fail("proposals", f"'{proposal.text}' is the place of no option")

    def check(self, path: Path, line: int, check: CheckItem) -> None:
        kind = self._file.question_type(check.item.question_type)
        assert kind is not None  # `item` was asked before
        if check.step not in kind.steps:
            raise DataError(f"step '{check.step}' is none of question type '{kind.id}'", path=path, line=line)
        options = check.item.options or kind.options or ()
        if check.step == "choice" and check.expected["choice"] >= len(options):
            message = f"expected.choice: {check.expected['choice']}, but there are {len(options)} options"
            raise DataError(message, path=path, line=line)
        interval = check.expected.get("evidence")
        most = self._lengths.get(check.item.asset)
        if interval is not None and most is not None and interval["end"] > most:
            message = f"expected.evidence: ends at frame {interval['end']}, the clip has {most}"
            raise DataError(message, path=path, line=line)
