"""cli.info: versions, hardware and devices, for people and for machines."""

import json
import platform
import subprocess
import sys

import pytest

from perceptlm import __version__
from perceptlm.cli.main import run
from perceptlm.provenance import describe_environment


def test_info_for_people(capsys):
    assert run(["info"]) == 0
    out = capsys.readouterr().out
    assert f"perceptlm {__version__}" in out
    assert f"python {platform.python_version()}" in out
    assert "devices: cpu" in out


def test_info_for_machines(capsys):
    assert run(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"perceptlm", "packages", "hardware", "devices"}
    assert found["hardware"]["num_cores"] >= 1


@pytest.mark.skipif(not describe_environment()["torch"].endswith("+cpu"), reason="only a CPU build can be known unseen")
def test_a_cpu_build_of_torch_is_not_imported():
    code = "import sys; from perceptlm.cli.main import run; run(['info']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
