"""Artifacts: directories that a stage publishes once, whole, with a record of how to make them again.

A stage builds in `DIR.partial`, then `manifest.json` is written and the directory renamed to `DIR`. A killed
build leaves the partial directory, and the same call goes on from it. Everything in `DIR` is digested except
`run/` and the files named in `beside`, where time stamps, rates and host names live. An artifact may hold whole
artifacts in its folders: these are its children, each with a manifest of its own, and enter by their digests.
This module knows no stage; `workflow` maps kinds to code.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import Field, ValidationError

from perceptlm.config import Config, canonical_json, describe_validation_error, digest_of
from perceptlm.errors import ArtifactError, StorageError

MANIFEST = "manifest.json"
RUN_FOLDER = "run"
REQUEST = ".request.json"
FORMAT_VERSION = 1
_RECORDED_PACKAGES = ("numpy", "torch", "av", "pillow", "tokenizers", "safetensors", "pydantic")


class OutputFile(Config):
    """Digest and size of one file."""

    sha256: str
    num_bytes: int


class InputArtifact(Config):
    """An artifact this one was made from. `path` is relative to the artifact's own directory."""

    path: str
    kind: str
    digest: str


class Manifest(Config):
    """The record of an artifact. `digest` covers what was made and from what, not where or when."""

    format_version: Literal[1] = 1
    kind: str
    recipe: dict[str, Any]
    recipe_digest: str
    seeds: dict[str, int]
    inputs: dict[str, InputArtifact]
    outputs: dict[str, OutputFile]
    children: dict[str, str] = Field(default_factory=dict)
    """Folder (relative) -> digest of the whole artifact inside it."""
    beside: tuple[str, ...] = ()
    """Files outside the digested content, as are all in `run/`."""
    digest: str
    code: dict[str, str | bool | None]
    environment: dict[str, str]
    hardware: dict[str, str | int]

    def recompute_digest(self) -> str:
        """Return the digest the recorded content must have."""
        return digest_of(
            {
                "format_version": self.format_version,
                "kind": self.kind,
                "recipe": self.recipe_digest,
                "seeds": self.seeds,
                "inputs": {name: entry.digest for name, entry in self.inputs.items()},
                "outputs": {name: entry.sha256 for name, entry in self.outputs.items()},
                "children": self.children,
            }
        )


def build(
    out: Path,
    *,
    kind: str,
    recipe: Mapping[str, Any],
    make: Callable[[Path], None],
    inputs: Mapping[str, Path] | None = None,
    seeds: Mapping[str, int] | None = None,
    beside: Sequence[str] = (),
    overwrite: bool = False,
) -> Path:
    """Publish the artifact `out` by calling `make(partial_dir)`, or return at once if it is already there.

    `make` fills the directory it is given and must go on from what it finds there. Raises ArtifactError when
    `out` or its partial directory was made from another recipe or other inputs, unless `overwrite`.
    """
    request = _request(out, kind, recipe, inputs or {}, seeds or {})
    if out.exists():
        if _is_same(out, request):
            return out
        if not overwrite:
            raise ArtifactError(
                f"{out} already exists and was made from another recipe, seed or input",
                hint="choose another directory, remove this one, or pass --overwrite",
            )
        shutil.rmtree(out) if out.is_dir() else out.unlink()
    partial = partial_path(out)
    if partial.exists() and not _is_same_request(partial, request):
        if not overwrite:
            raise ArtifactError(
                f"{partial} holds unfinished work of another recipe, seed or input",
                hint="remove it, choose another directory, or pass --overwrite",
            )
        shutil.rmtree(partial)
    with translate_os_errors(partial):
        partial.mkdir(parents=True, exist_ok=True)
        write_atomic(partial / REQUEST, canonical_json(request).encode())
        make(partial)
        publish(partial, out, request, beside=beside)
    return out


def partial_path(out: Path) -> Path:
    """Return where `out` is built before it is published."""
    return out.with_name(out.name + ".partial")


def publish(partial: Path, out: Path, request: Mapping[str, Any], *, beside: Sequence[str] = ()) -> None:
    """Digest the files of `partial`, write its manifest, and rename it to `out`."""
    (partial / REQUEST).unlink(missing_ok=True)
    children = list_children(partial)
    outputs = {name: _digest_file(partial / name) for name in list_files(partial) if name not in beside}
    manifest = Manifest(
        **request,
        outputs=outputs,
        children={name: read_manifest(partial / name).digest for name in children},
        beside=tuple(sorted(beside)),
        digest="",
        code=describe_code(),
        environment=describe_environment(),
        hardware=describe_hardware(),
    )
    manifest = manifest.model_copy(update={"digest": manifest.recompute_digest()})
    text = json.dumps(manifest.to_dict(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    write_atomic(partial / MANIFEST, text.encode())
    os.rename(partial, out)
    _sync_folder(out.parent)


def _request(
    out: Path, kind: str, recipe: Mapping[str, Any], inputs: Mapping[str, Path], seeds: Mapping[str, int]
) -> dict[str, Any]:
    entries = {}
    for name, path in sorted(inputs.items()):
        manifest = read_manifest(path)
        relative = os.path.relpath(path.resolve(), out.resolve())
        entries[name] = {"path": PurePosixPath(Path(relative)).as_posix(), "kind": manifest.kind}
        entries[name]["digest"] = manifest.digest
    return {
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "recipe": json.loads(canonical_json(recipe)),
        "recipe_digest": digest_of(recipe),
        "seeds": dict(seeds),
        "inputs": entries,
    }


def _is_same(out: Path, request: Mapping[str, Any]) -> bool:
    if not (out / MANIFEST).is_file():
        return False
    return _identity(read_manifest(out).to_dict()) == _identity(request)


def _is_same_request(partial: Path, request: Mapping[str, Any]) -> bool:
    # A build killed between writing the manifest and the rename has the manifest instead of the request.
    for name in (REQUEST, MANIFEST):
        if (partial / name).is_file():
            with contextlib.suppress(json.JSONDecodeError, KeyError):
                found = json.loads((partial / name).read_text(encoding="utf-8"))
                return _identity(found) == _identity(request)
    # Nothing but an empty directory, or one killed before the request was written: nothing to lose.
    return not list_files(partial)


def _identity(record: Mapping[str, Any]) -> tuple[Any, ...]:
    inputs = {name: entry["digest"] for name, entry in record["inputs"].items()}
    return (record["kind"], record["recipe_digest"], record["seeds"], inputs)


def read_manifest(directory: Path) -> Manifest:
    """Read the manifest of a published artifact; raise ArtifactError saying what is wrong with it."""
    path = directory / MANIFEST
    if not directory.is_dir():
        raise ArtifactError(f"{directory}: there is no such directory")
    if not path.is_file():
        raise ArtifactError(
            f"{directory}: not a published artifact (no {MANIFEST})",
            hint="give the directory that a plm command wrote; an unfinished one ends in .partial",
        )
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ArtifactError(f"{path}: {describe_validation_error(error, Manifest)}") from error


def list_files(directory: Path) -> list[str]:
    """Return the files of `directory` that are its own and digestible, as sorted relative POSIX paths."""
    found = []
    for folder, names, files in os.walk(directory):
        relative = Path(folder).relative_to(directory)
        for name in (*names, *files):
            if Path(folder, name).is_symlink():
                raise ArtifactError(f"{Path(folder, name)}: an artifact holds no links")
        if relative.parts:
            if MANIFEST in files or relative.parts == (RUN_FOLDER,):
                names.clear()
                continue
        else:
            files = [name for name in files if name not in (MANIFEST, REQUEST)]
        found += [(relative / name).as_posix() for name in files]
    return sorted(found)


def list_children(directory: Path) -> list[str]:
    """Return the folders inside `directory` that are artifacts themselves, outermost only, sorted."""
    found = []
    for folder, names, files in os.walk(directory):
        if Path(folder) != directory and MANIFEST in files:
            found.append(Path(folder).relative_to(directory).as_posix())
            names.clear()
    return sorted(found)


def verify(directory: Path, *, lineage: bool = True) -> list[str]:
    """Return every problem of an artifact, its children and, with `lineage`, those it was made from; [] if none."""
    return _verify(directory, lineage, set())


def _verify(directory: Path, lineage: bool, seen: set[Path]) -> list[str]:
    if directory.resolve() in seen:
        return []
    seen.add(directory.resolve())
    manifest = read_manifest(directory)
    problems = []
    if manifest.recompute_digest() != manifest.digest:
        problems.append(f"{directory}: the manifest does not match its own digest")
    if digest_of(manifest.recipe) != manifest.recipe_digest:
        problems.append(f"{directory}: the recipe does not match its digest")
    present = set(list_files(directory)) - set(manifest.beside)
    for name, entry in manifest.outputs.items():
        if name not in present:
            problems.append(f"{directory / name}: missing")
        elif _digest_file(directory / name) != entry:
            problems.append(f"{directory / name}: differs from the manifest")
    problems += [f"{directory / name}: not in the manifest" for name in sorted(present - set(manifest.outputs))]
    problems += _verify_children(directory, manifest, lineage, seen)
    for name, parent in manifest.inputs.items() if lineage else ():
        path = Path(os.path.normpath(directory / parent.path))
        if not (path / MANIFEST).is_file():
            problems.append(f"{directory}: its input '{name}' is missing at {path}")
        elif read_manifest(path).digest != parent.digest:
            problems.append(f"{directory}: its input '{name}' at {path} is not the one it was made from")
        else:
            problems += _verify(path, lineage, seen)
    return problems


def _verify_children(directory: Path, manifest: Manifest, lineage: bool, seen: set[Path]) -> list[str]:
    found = list_children(directory)
    problems = [f"{directory / name}: not in the manifest" for name in found if name not in manifest.children]
    for name, digest in manifest.children.items():
        if name not in found:
            problems.append(f"{directory / name}: missing")
        elif read_manifest(directory / name).digest != digest:
            problems.append(f"{directory / name}: is not the artifact the manifest speaks of")
        else:
            problems += _verify(directory / name, lineage, seen)
    return problems


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader sees the old file or the new one, never a part."""
    with translate_os_errors(path):
        temporary = path.with_name(path.name + ".tmp")
        try:
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def write_run_record(directory: Path, name: str, record: Mapping[str, Any]) -> None:
    """Write facts about this run (times, rates, host) to `run/NAME.json`, outside the digested content."""
    folder = directory / RUN_FOLDER
    folder.mkdir(exist_ok=True)
    write_atomic(folder / f"{name}.json", (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())


@contextlib.contextmanager
def translate_os_errors(path: Path) -> Iterator[None]:
    """Turn a full disk or a forbidden path into one clear sentence."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = "free some space and run the same command again: it goes on from here"
            raise StorageError(f"the disk is full: cannot write {where}", hint=hint) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StorageError(f"cannot write {where}: {os.strerror(error.errno)}") from error
        if error.errno in (errno.ENOTDIR, errno.EEXIST):
            raise StorageError(f"cannot create {where}: a file stands in the way") from error
        raise


def _digest_file(path: Path) -> OutputFile:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return OutputFile(sha256=digest.hexdigest(), num_bytes=path.stat().st_size)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@cache
def _describe_code() -> tuple[tuple[str, str | bool | None], ...]:
    from perceptlm import __version__

    root = Path(__file__).parent
    sources = sorted(path for path in root.rglob("*") if path.suffix in (".py", ".html"))
    source_digest = digest_of({p.relative_to(root).as_posix(): _digest_file(p).sha256 for p in sources})
    commit = None
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        command = ["git", "-C", str(root), "log", "-1", "--format=%H", "--", "."]
        commit = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() or None
    return (("version", __version__), ("commit", commit), ("source_digest", source_digest))


def describe_code() -> dict[str, str | bool | None]:
    """Return version, last commit that touched the package (None outside git), and a digest of its sources."""
    return dict(_describe_code())


def describe_environment() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide the bytes."""
    found = {"python": platform.python_version()}
    for name in _RECORDED_PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def describe_hardware() -> dict[str, str | int]:
    """Return the kind of machine: architecture, processor model and core count; never its name."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {"machine": platform.machine(), "processor": model, "num_cores": os.cpu_count() or 1}
