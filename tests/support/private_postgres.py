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
    as_user: list[str] = []
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

    def run(program: str, *arguments: str) -> None:
        command = [*as_user, str(programs / program), *arguments]
        with (folder / f"{program}.log").open("ab") as log:
            subprocess.run(command, check=True, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    data = str(folder / "data")
    try:
        run("initdb", "-D", data, "-U", "plm", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        run("pg_ctl", "-D", data, "-w", "-l", str(folder / "server.log"), "-o", f"{SETTINGS} -k {folder}", "start")
        try:
            yield folder
        finally:
            run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
