"""Reading a pack's files as the work of a stranger: no way out of the directory, no code, no surprise in size or kind.

Errors name file, line and field. Knows nothing of what the records mean.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from perceptlm.config import Config, describe_validation_error
from perceptlm.errors import DataError, MediaError
from perceptlm.exchange.jsonl import read_numbered_records
from perceptlm.media.image import count_pictures

C = TypeVar("C", bound=Config)

MANUAL = "docs/annotation-packs.md describes every file and field"
FILES = frozenset(
    [
        "pack.yaml",
        "guideline.md",
        "items.jsonl",
        "gold.jsonl",
        "calibration.jsonl",
        "scenes.jsonl",
        "truth.jsonl",
        "README.md",
        "LICENSE",
    ]
)
FOLDERS = frozenset(["pictures", "media"])
PICTURE_FORMATS = {"PNG": (".png",), "JPEG": (".jpg", ".jpeg"), "WEBP": (".webp",), "GIF": (".gif",)}
MAX_YAML_BYTES = 256 * 1024
MAX_TEXT_BYTES = 512 * 1024
MAX_LINES_BYTES = 256 * 2**20
MAX_PICTURE_BYTES = 2 * 2**20
MAX_PICTURES = 200


def list_pack(root: Path) -> list[str]:
    """Return the pack's files, relative, sorted. DataError for links, special files, and names no pack has."""
    if not root.is_dir():
        raise DataError("there is no such directory", path=root, hint="`plm annotate packs` lists the packs that ship")
    found = []
    for folder, folders, files in os.walk(root):
        for name in sorted(folders + files):
            path = Path(folder, name)
            relative = path.relative_to(root).as_posix()
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                raise DataError("is a link; a pack holds its files itself", path=path)
            if stat.S_ISDIR(mode):
                if relative not in FOLDERS:
                    raise DataError("is a folder that no pack has", path=path, hint=f"folders: {sorted(FOLDERS)}")
            elif not stat.S_ISREG(mode):
                raise DataError("is neither a file nor a folder", path=path)
            else:
                _check_name(path, relative)
                found.append(relative)
    return sorted(found)


def _check_name(path: Path, relative: str) -> None:
    folder, _, name = relative.rpartition("/")
    if not folder and name not in FILES:
        hint = f"a pack holds data and no code: {', '.join(sorted(FILES))}, pictures/ and media/"
        raise DataError("is a file that no pack has", path=path, hint=hint)
    if not name.isascii() or not name.isprintable() or name.startswith(".") or set(name) & set(' "<>&?#%\\:'):
        raise DataError("has a name that cannot stand in a link", path=path, hint="letters, digits, '.', '_' and '-'")


def check_pictures(root: Path, files: list[str]) -> tuple[str, ...]:
    """Return the names of the guideline's pictures, each seen to be one by its content."""
    names = [name.removeprefix("pictures/") for name in files if name.startswith("pictures/")]
    if len(names) > MAX_PICTURES:
        raise DataError(f"holds {len(names)} pictures, at most {MAX_PICTURES}", path=root / "pictures")
    for name in names:
        path = root / "pictures" / name
        if path.stat().st_size > MAX_PICTURE_BYTES:
            raise DataError(f"is larger than {MAX_PICTURE_BYTES // 2**20} MiB", path=path, hint="save it smaller")
        try:
            found = count_pictures(path)
        except MediaError as error:
            raise DataError("is a damaged picture", path=path) from error
        suffixes = PICTURE_FORMATS.get(found[0], ()) if found else ()
        if path.suffix.lower() not in suffixes:
            raise DataError(
                "is no picture of the kind that its name says",
                path=path,
                hint="PNG, JPEG, WebP and GIF are taken; SVG is not, since it can hold scripts: save it as PNG",
            )
    return tuple(names)


def read_text(path: Path, most: int = MAX_TEXT_BYTES) -> str:
    """Return a text file; DataError if it is missing, too large, or not UTF-8."""
    try:
        if path.stat().st_size > most:
            raise DataError(f"is larger than {most // 1024} KiB", path=path)
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path=path, hint=MANUAL) from error
    except UnicodeDecodeError as error:
        raise DataError(f"is not UTF-8 (byte {error.start})", path=path) from error


def read_records_with_lines(path: Path, cls: type[C]) -> tuple[tuple[int, C], ...]:
    """Return (line, record) of a JSONL file; none where there is no file."""
    if not path.exists():
        return ()
    if path.stat().st_size > MAX_LINES_BYTES:
        raise DataError(f"is larger than {MAX_LINES_BYTES // 2**20} MiB", path=path)
    try:
        return tuple(read_numbered_records(path, cls))
    except DataError as error:
        if error.hint is None:
            error.hint = MANUAL
        raise


def read_yaml(path: Path, cls: type[C]) -> C:
    """Return the record in a YAML file; DataError naming the line and every wrong field.

    Keys that stand there twice are refused, and so are aliases, by which a few lines can stand for a very large record.
    """
    text = read_text(path, MAX_YAML_BYTES)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                line = None if event.start_mark is None else event.start_mark.line + 1
                raise DataError("aliases (*name) are not read", path=path, line=line)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = None if error.problem_mark is None else error.problem_mark.line + 1
        raise DataError(f"not valid YAML: {error.problem or error}", path=path, line=line) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"not valid YAML: {' '.join(str(error).split())}", path=path) from error
    lines: dict[tuple[int | str, ...], int] = {}
    if node is not None:
        _note_lines(path, node, (), lines)
    if not isinstance(values, dict):
        raise DataError(f"expected keys and values, found {type(values).__name__}", path=path, line=1, hint=MANUAL)
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        places = [item["loc"] for item in error.errors(include_url=False)]
        # A misspelt key is both unknown and missing: the line is that of what stands there.
        place = next((place for place in places if place in lines), places[0])
        message = describe_validation_error(error, cls)
        raise DataError(message, path=path, line=_nearest(lines, place), hint=MANUAL) from error


def _note_lines(
    path: Path, node: yaml.Node, place: tuple[int | str, ...], lines: dict[tuple[int | str, ...], int]
) -> None:
    lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name: Any = key.value
            if (*place, name) in lines:
                raise DataError(f"the key '{name}' stands there twice", path=path, line=key.start_mark.line + 1)
            _note_lines(path, value, (*place, name), lines)
            lines[(*place, name)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            _note_lines(path, value, (*place, number), lines)


def _nearest(lines: dict[tuple[int | str, ...], int], place: tuple[int | str, ...]) -> int:
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place, 1)
