"""A PostgreSQL of one's own: a cluster in a temporary folder, on a Unix socket only, without waiting for the disk."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if Path("/usr/lib/postgresql").is_dir() else []
SETTINGS = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c listen_addresses='' -c max_connections=60"


def folder_of_programs() -> Path | None:
    """Return where `initdb` and `pg_ctl` are, or None where PostgreSQL is not installed."""
    found = shutil.which("pg_ctl")
    folders = [*reversed(FOLDERS), *([Path(found).resolve().parent] if found else [])]
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


@contextmanager
def running_cluster(programs: Path) -> Iterator[Path]:
    """Yield the folder of the socket of a new cluster, whose superuser is `plm`; it is stopped and removed at the end.

    PostgreSQL refuses to run as root; then it runs as the user `postgres` of the Debian package.
    """
    folder = Path(tempfile.mkdtemp(prefix="plm-pg-", dir="/tmp"))  # the name of a socket may be 107 bytes long
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
    data = str(folder / "data")
    try:
        options = ("-U", "plm", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        _run(programs, folder, "initdb", "-D", data, *options)
        _control(programs, folder, "-o", f"{SETTINGS} -k {folder}", "start")
        try:
            yield folder
        finally:
            _control(programs, folder, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def crash_and_start(programs: Path, folder: Path) -> None:
    """Let a running cluster crash, and start it again: what was not written out is gone."""
    _control(programs, folder, "-m", "immediate", "restart")


def _control(programs: Path, folder: Path, *arguments: str) -> None:
    _run(programs, folder, "pg_ctl", "-D", str(folder / "data"), "-w", "-l", str(folder / "server.log"), *arguments)


def _run(programs: Path, folder: Path, program: str, *arguments: str) -> None:
    as_user: list[str] = []
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    command = [*as_user, str(programs / program), *arguments]
    with (folder / f"{program}.log").open("ab") as log:
        subprocess.run(command, check=True, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
