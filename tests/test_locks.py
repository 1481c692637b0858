"""One process holds a lock at a time, and a dead one holds none."""

import signal
import subprocess
import sys
import time

import pytest

from perceptlm.locks import locked

HOLD = "import sys, time; from pathlib import Path; from perceptlm.locks import locked\n"
HOLD += "with locked(Path(sys.argv[1]), wait=True): print('held', flush=True); time.sleep(60)"


def test_a_lock_is_refused_while_another_process_lives(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError), locked(tmp_path, wait=False):
            pytest.fail("two held it")
        other.send_signal(signal.SIGKILL)
        other.wait()
    start = time.monotonic()
    with locked(tmp_path, wait=True), pytest.raises(BlockingIOError), locked(tmp_path, wait=False):
        pytest.fail("two held it")
    assert time.monotonic() - start < 10
    with locked(tmp_path, wait=False):
        pass
