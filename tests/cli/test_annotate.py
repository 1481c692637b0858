import json

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


def test_a_wrong_field_is_named_and_a_server_is_not_there_yet(tmp_path, capsys):
    assert run(["annotate", "simulate", written(tmp_path, seeds="many"), "--offline"]) == 1
    assert "'seeds'" in capsys.readouterr().err
    assert run(["annotate", "simulate", written(tmp_path)]) == 2
    assert "--offline" in capsys.readouterr().err
