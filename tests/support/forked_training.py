"""Processes of a training, forked from one that has loaded everything: loading takes every process seconds otherwise.

They are as real as those that torchrun starts, and meet by the same variables of the environment. `ForkedTraining` is
for tests; run as a program, this file is the process that they are forked from.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn


@dataclass(frozen=True)
class Ended:
    """How the processes ended: their exit codes in order of rank, and what all of them wrote to stderr."""

    codes: list[int]
    stderr: str


class ForkedTraining:
    """Runs trainings in several processes; close it. TimeoutError if they do not end in time."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        settings = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=settings,
            start_new_session=True,
        )  # fmt: skip

    def run(self, given: Path, num_processes: int, stderr: Path) -> Ended:
        """Do the run that the file `given` describes (see training_worker); what is said goes to the file `stderr`."""
        from torch.distributed import TCPStore

        # As torchrun does: the processes meet at a store that is there before them, on a port that is free.
        store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        asked = {"given": str(given), "size": num_processes, "port": store.port, "stderr": str(stderr)}
        signal.signal(signal.SIGALRM, self._give_up)
        signal.setitimer(signal.ITIMER_REAL, self._timeout_seconds)
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        try:
            print(json.dumps(asked), file=self._server.stdin, flush=True)
            codes = json.loads(self._server.stdout.readline())
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return Ended(codes, stderr.read_text())

    def _give_up(self, *_: object) -> NoReturn:
        os.killpg(self._server.pid, signal.SIGKILL)
        raise TimeoutError(f"the processes did not end in {self._timeout_seconds} s")

    def close(self) -> None:
        """End the process that others are forked from; they have ended before."""
        self._server.communicate()


def _serve() -> None:
    # What every process would load by itself: the first at once, the others when it shares the model out.
    import torch._dynamo  # noqa: F401
    import training_worker

    for line in sys.stdin:
        asked = json.loads(line)
        children = [_forked(training_worker.main, rank, asked) for rank in range(asked["size"])]
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(json.dumps(codes), flush=True)


def _forked(main: Any, rank: int, asked: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        file = os.open(asked["stderr"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 2)
        os.dup2(2, 1)
        size = str(asked["size"])
        os.environ |= {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size,
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(asked["port"]), "TORCHELASTIC_USE_AGENT_STORE": "True",
        }  # fmt: skip
        sys.argv = ["training_worker.py", asked["given"]]
        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        if sys.exc_info()[0] is not None:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
