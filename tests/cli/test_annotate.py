import json
import subprocess
import sys

import pytest

from perceptlm.cli.main import run

PERSON = {"count": 3, "easy": 0.9, "hard": 0.6}


def written(tmp_path, **more):
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps({"items": {"count": 12}, "annotators": [PERSON], "seeds": 1, **more}))
    return str(path)


def test_a_simulation_prints_its_measures(tmp_path, capsys):
    assert run(["annotate", "simulate", written(tmp_path), "--offline", "--seeds", "2"]) == 0
    shown = capsys.readouterr()
    assert "two_disagree_expert" in shown.out
    assert shown.err.splitlines() == ["seed 0 done", "seed 1 done"]


def test_a_wrong_field_is_named(tmp_path, capsys):
    assert run(["annotate", "simulate", written(tmp_path, seeds="many"), "--offline"]) == 1
    assert "'seeds'" in capsys.readouterr().err


def test_a_simulation_without_offline_works_at_a_server(tmp_path, capsys):
    small = written(tmp_path, items={"count": 3}, gold={"per_worker": 1})
    assert run(["annotate", "simulate", small, "--json"]) == 0
    served = json.loads(capsys.readouterr().out)
    assert run(["annotate", "simulate", small, "--offline", "--no-baselines", "--json"]) == 0
    offline = json.loads(capsys.readouterr().out)
    assert served["measures"]["cost_per_item"] == offline["measures"]["cost_per_item"]
    assert served["escalations_by_reason"] == offline["escalations_by_reason"]
    assert served["service"]["num_requests"]["mean"] > 9
    assert offline["service"] == {}


@pytest.mark.parametrize("missing", ["sqlalchemy", "fastapi", "uvicorn"])
def test_a_package_that_is_not_installed_is_named_with_what_brings_it(tmp_path, capsys, monkeypatch, missing):
    monkeypatch.setenv("PLM_ANNOTATE_PASSWORD", "a long enough password")
    assert run(["annotate", "init", str(tmp_path / "d"), "--owner", "o"]) == 0
    code = (
        "import sys; sys.modules[sys.argv[1]] = None; from perceptlm.cli.main import run;"
        "sys.exit(run(['annotate', 'serve', sys.argv[2], '--port', '0']))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, missing, str(tmp_path / "d")], capture_output=True, text=True, check=False
    )
    assert found.returncode == 2
    assert f"'{missing}" in found.stderr
    assert "perceptlm[annotate]" in found.stderr
