"""workflow.demo_clock: seconds add up over interrupted runs, and a step that fails is counted too."""

import json
import time

import pytest

from perceptlm.workflow.demo_clock import Clock


def test_seconds_add_up_over_runs(tmp_path, capsys):
    with Clock(tmp_path, "timings").measure("world"):
        time.sleep(0.02)
    again = Clock(tmp_path, "timings")
    first = again.seconds["world"]
    with pytest.raises(KeyError), again.measure("world"):
        raise KeyError("killed")
    assert again.seconds["world"] >= first >= 0.02
    on_disk = json.loads((tmp_path / "run" / "timings.json").read_text(encoding="utf-8"))
    assert on_disk == again.seconds == Clock(tmp_path, "timings").seconds
    assert capsys.readouterr().err.splitlines() == ["world", "world"]


def test_one_that_runs_beside_another_says_nothing(tmp_path, capsys):
    with Clock(tmp_path, "beside", says_steps=False).measure("sft"):
        pass
    assert capsys.readouterr().err == ""
    assert not Clock(tmp_path, "timings").seconds
