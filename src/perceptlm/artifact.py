"""Artifacts: directories that a stage publishes once, whole, with a record of how to make them again.

A stage builds in `DIR.partial`, then `manifest.json` is written and the directory renamed to `DIR`. A killed
build leaves the partial directory, and the same call goes on from it. Everything in `DIR` is digested except
`run/` and the files named in `beside`, where time stamps, rates and host names live, and folders with a
`CACHEDIR.TAG` (https://bford.info/cachedir/), which hold what can be made again from the rest. An artifact may hold
whole artifacts in its folders: these are its children, each with a manifest of its own, and enter by their digests.
This module knows no stage; `workflow` maps kinds to code. docs/artifacts.md describes the format.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import Field, ValidationError

from perceptlm.config import Config, canonical_json, describe_validation_error, digest_of, file_digest
from perceptlm.errors import ArtifactError, StorageError
from perceptlm.locks import locked
from perceptlm.provenance import describe_code, describe_environment, describe_hardware

MANIFEST = "manifest.json"
RUN_FOLDER = "run"
REQUEST = ".request.json"
FORMAT_VERSION = 1
TEMPORARY_SUFFIX = ".tmp"
"""Ends the name of a file being written; what a killed process leaves under such a name is removed."""
CACHE_TAG = "CACHEDIR.TAG"
CACHE_TAG_TEXT = b"Signature: 8a477f597d28d172789f06886806bc55\n"


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
    unfinished: bool = False,
) -> Path:
    """Publish the artifact `out` by calling `make(partial_dir)`, or return at once if it is already there.

    `make` fills the directory it is given and must go on from what it finds there. Raises ArtifactError when
    `out` or its partial directory was made from another recipe or other inputs, unless `overwrite`; the old
    artifact stays in place until the new one is whole. Only artifacts and empty directories are ever replaced.
    With `unfinished`, `make` does part of the work, perhaps beside other processes: the partial directory is returned.
    """
    request = _request(out, kind, recipe, inputs or {}, seeds or {})
    partial = partial_path(out)
    with translate_os_errors(partial):
        partial.parent.mkdir(parents=True, exist_ok=True)
        with locked(partial.parent, wait=True):  # others may begin the same work at this moment
            shutil.rmtree(_replaced_path(out), ignore_errors=True)
            if _is_artifact(out):
                if _recorded_identity(out / MANIFEST) == _identity(request):
                    return out
                if not overwrite:
                    raise ArtifactError(
                        f"{out} already exists and was made from another recipe, seed or input",
                        hint="choose another directory, remove this one, or pass --overwrite",
                    )
            if partial.exists() and not _is_unfinished_work_of(partial, request):
                if not overwrite and not _holds_nothing(partial):
                    raise ArtifactError(
                        f"{partial} holds unfinished work of another recipe, seed or input",
                        hint="remove it, choose another directory, or pass --overwrite",
                    )
                shutil.rmtree(partial)
            partial.mkdir(exist_ok=True)
            if not unfinished:
                _remove_temporary_files(partial)
            write_atomic(partial / REQUEST, canonical_json(request).encode())
        make(partial)
        if unfinished:
            return partial
        publish(partial, out, request, beside=beside)
    return out


def partial_path(out: Path) -> Path:
    """Return where `out` is built before it is published; ArtifactError if `out` ends in no name of its own."""
    if out.name in ("", ".."):
        raise ArtifactError(f"{out}: cannot be replaced by an artifact", hint="name a new directory")
    return out.with_name(out.name + ".partial")


def _replaced_path(out: Path) -> Path:
    return out.with_name(f".{out.name}.replaced")


def publish(partial: Path, out: Path, request: Mapping[str, Any], *, beside: Sequence[str] = ()) -> None:
    """Digest the files of `partial`, write its manifest, and rename it to `out`, in the place of an older `out`."""
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
    # The request goes only when the manifest is there: a kill in between must leave one of them to go on from.
    write_atomic(partial / MANIFEST, text.encode())
    (partial / REQUEST).unlink(missing_ok=True)
    if out.exists():
        os.rename(out, _replaced_path(out))
    os.rename(partial, out)
    _sync_folder(out.parent)
    shutil.rmtree(_replaced_path(out), ignore_errors=True)


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


def _is_artifact(out: Path) -> bool:
    """Say whether an artifact lies at `out`; raise ArtifactError if it is something that must not be replaced."""
    if not os.path.lexists(out):
        return False
    if out.is_symlink() or not out.is_dir():
        raise ArtifactError(f"{out} already exists and is not a directory", hint="choose another place")
    if not (out / MANIFEST).is_file() and any(out.iterdir()):
        raise ArtifactError(
            f"{out} already exists and is not an artifact (no {MANIFEST}); it is left alone",
            hint="choose a new or an empty directory",
        )
    return (out / MANIFEST).is_file()


def _is_unfinished_work_of(partial: Path, request: Mapping[str, Any]) -> bool:
    # A build killed just before the rename has the manifest instead of the request.
    for name in (REQUEST, MANIFEST):
        if (partial / name).is_file():
            return _recorded_identity(partial / name) == _identity(request)
    return False


def _holds_nothing(partial: Path) -> bool:
    """Say whether a build left no file but its request, so that nothing is lost by building something else there."""
    files = (path for path in partial.rglob("*") if not path.is_dir() or path.is_symlink())
    return all(path.name.endswith(TEMPORARY_SUFFIX) or path == partial / REQUEST for path in files)


def _recorded_identity(path: Path) -> tuple[Any, ...] | None:
    """Return the identity in a request or manifest file, or None if the file is damaged."""
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        return _identity(json.loads(path.read_text(encoding="utf-8")))
    return None


def _remove_temporary_files(partial: Path) -> None:
    for path in partial.rglob("*" + TEMPORARY_SUFFIX):
        if path.is_file():
            path.unlink()


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


def require_kind(directory: Path, *kinds: str) -> Manifest:
    """Read a manifest; raise ArtifactError if the artifact is of none of `kinds`."""
    manifest = read_manifest(directory)
    if manifest.kind not in kinds:
        wanted = " or ".join(f"'{kind}'" for kind in kinds)
        raise ArtifactError(f"{directory}: an artifact of kind '{manifest.kind}', but a {wanted} is needed here")
    return manifest


def list_files(directory: Path) -> list[str]:
    """Return the files of `directory` that are its own and digestible, as sorted relative POSIX paths."""
    found = []
    for folder, names, files in os.walk(directory):
        relative = Path(folder).relative_to(directory)
        for name in (*names, *files):
            if Path(folder, name).is_symlink():
                raise ArtifactError(f"{Path(folder, name)}: an artifact holds no links")
        if relative.parts:
            if MANIFEST in files or CACHE_TAG in files or relative.parts == (RUN_FOLDER,):
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
        elif Path(folder) != directory and CACHE_TAG in files:
            names.clear()
    return sorted(found)


def verify(directory: Path, *, lineage: bool = True) -> list[str]:
    """Return every problem of an artifact, its children and, with `lineage`, those it was made from; [] if none."""
    return _verify(directory, lineage, set())


def _verify(directory: Path, lineage: bool, seen: set[Path]) -> list[str]:
    place = directory.resolve()
    if place in seen:
        return []
    seen.add(place)
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
        path = Path(os.path.normpath(place / parent.path))
        problems += _verify_named(path, parent.digest, f"{directory}: its input '{name}'", lineage, seen)
    return problems


def _verify_children(directory: Path, manifest: Manifest, lineage: bool, seen: set[Path]) -> list[str]:
    found = list_children(directory)
    problems = [f"{directory / name}: not in the manifest" for name in found if name not in manifest.children]
    for name, digest in manifest.children.items():
        # Looked up among the folders found: a name from a manifest never leads outside the artifact.
        if name not in found:
            problems.append(f"{directory / name}: missing")
        else:
            problems += _verify_named(directory / name, digest, f"{directory}: its part '{name}'", lineage, seen)
    return problems


def _verify_named(directory: Path, digest: str, called: str, lineage: bool, seen: set[Path]) -> list[str]:
    try:
        found = read_manifest(directory).digest
    except ArtifactError as error:
        return [f"{called} cannot be read: {error.message}"]
    if found != digest:
        return [f"{called} at {directory} is not the one the manifest speaks of"]
    return _verify(directory, lineage, seen)


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader sees the old file or the new one, never a part."""
    with translate_os_errors(path):
        temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
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
    with translate_os_errors(folder):
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
            raise StorageError(f"no access to {where}: {os.strerror(error.errno)}") from error
        if error.errno in (errno.ENOTDIR, errno.EEXIST):
            raise StorageError(f"cannot create {where}: a file stands in the way") from error
        raise


def _digest_file(path: Path) -> OutputFile:
    return OutputFile(sha256=file_digest(path), num_bytes=path.stat().st_size)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
