"""benchmarks/inference_memory.py runs at a small size and keeps its bound."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "inference_memory.py"


def test_a_small_model_keeps_the_bound():
    command = [sys.executable, SCRIPT, "--preset", "tiny", "--dtype", "float32", "--tiles", "2", "--json"]
    found = json.loads(subprocess.run([*command, "--device", "cpu"], capture_output=True, text=True, check=True).stdout)
    assert found["num_tokens"] == 3 * 16 + 200
    assert found["num_answered"] == 4
    assert found["weights_bytes"] <= found["peak_bytes"] < found["weights_bytes"] + 2**30
