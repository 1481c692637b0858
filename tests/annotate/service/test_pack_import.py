"""services.pack_import: a pack becomes a project with clips, items people get, and gold that waits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from annotation_pack import small_pack
from annotation_service import FAST, PASSWORD
from starlette.testclient import TestClient

from perceptlm.annotate.api.app import make_app
from perceptlm.annotate.directory import DataDirectory
from perceptlm.annotate.packs.load import find_pack, load_pack
from perceptlm.annotate.services.server import open_server
from perceptlm.annotate.services.setup import add_user
from perceptlm.cli.main import run

PACK = "inspection-demo"


def signed_in(app, name):
    client = TestClient(app, base_url="http://testserver")
    answer = client.post("/api/v1/sessions", json={"name": name, "password": PASSWORD})
    client.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
    return client


def test_a_pack_becomes_a_project_that_people_work_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLM_ANNOTATE_PASSWORD", PASSWORD)
    assert run(["annotate", "init", str(tmp_path / "d"), "--pack", PACK, "--owner", "own", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["pack"]
    pack = load_pack(find_pack(PACK))
    assert found["num_items"] == len(pack.items)
    assert found["num_gold_proposed"] + found["num_gold_left_out"] == len(pack.gold)
    assert found["num_gold_left_out"] == sum(check.step == "blind_answer" for check in pack.gold)
    assert found["num_gold_proposed"] > 0
    assert found["num_calibration"] == len(pack.calibration)
    server = open_server(DataDirectory.open(tmp_path / "d"), settings=FAST)
    for name in ("ann", "max"):
        add_user(server, name, PASSWORD)
    app = make_app(server)
    own = signed_in(app, "own")
    for name, role in (("ann", "annotator"), ("max", "manager")):
        own.post(f"/api/v1/projects/{PACK}/members", json={"user": name, "role": role}).raise_for_status()
    own_approval = own.post(f"/api/v1/projects/{PACK}/gold/approve", json={})
    assert own_approval.status_code == 409, "who proposed gold does not approve it"
    signed_in(app, "max").post(f"/api/v1/projects/{PACK}/gold/approve", json={}).raise_for_status()
    ann = signed_in(app, "ann")
    refused = ann.post("/api/v1/users", json={"name": "eve", "password": PASSWORD}).json()["error"]
    assert refused["message"] == "'users.create' is for owners alone", "ann has a role, but none that counts here"
    work = ann.post(f"/api/v1/projects/{PACK}/next", json={"steps": None}).json()
    assert work["is_calibration"]
    shown = own.get(f"/api/v1/projects/{PACK}/items", params={"limit": 1000}).json()["items"]
    ids = {entry["key"]: entry["id"] for entry in shown}
    gold = [ids[key] for key in own.get(f"/api/v1/projects/{PACK}/gold").json()["gold"]]
    real = [ids[item.key] for item in pack.items]
    assert min(real) < min(gold) < max(real), "the numbers of items do not tell which are gold"
    asset = ann.get(f"/api/v1/assets/{work['item']['asset_id']}").json()
    assert asset["num_frames"] > 1
    assert ann.get(f"/api/v1/assets/{asset['id']}/frames/1").headers["content-type"] == "image/webp"
    assert (asset["sha256"], asset["licence"]) != ("", "unknown")
    server.close()


def test_a_pack_that_is_not_there_is_refused_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLM_ANNOTATE_PASSWORD", PASSWORD)
    assert run(["annotate", "init", str(tmp_path / "d"), "--pack", "nonsense"]) == 2
    assert "there is no pack 'nonsense'" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_a_pack_of_ones_own_becomes_a_project_whose_guideline_shows_its_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLM_ANNOTATE_PASSWORD", PASSWORD)
    pack, directory = small_pack(tmp_path / "mine"), str(tmp_path / "d")
    add = ["annotate", "project-add", directory, str(pack), "--owner"]
    assert run(["annotate", "init", directory, "--owner", "own"]) == 0
    assert run(["annotate", "user-add", directory, "ann"]) == 0
    assert run([*add, "ann"]) == 1
    assert "'ann' is no owner" in capsys.readouterr().err
    (tmp_path / "d" / "pack-small").mkdir()  # of one that was cut off
    assert run([*add, "own", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["project"], made["num_items"], made["num_gold_proposed"], made["num_calibration"]) == (
        "small",
        1,
        1,
        1,
    )
    assert run([*add, "own"]) == 1
    assert "there is a project 'small' already" in capsys.readouterr().err
    assert run(["annotate", "backup", directory, "--out", str(tmp_path / "copy")]) == 0
    for place in ("d", "copy"):
        server = open_server(DataDirectory.open(tmp_path / place), settings=FAST)
        own = signed_in(make_app(server), "own")
        html = own.get("/api/v1/projects/small/guidelines/current").json()["html"]
        address = "/api/v1/projects/small/guideline-pictures/frame.png"
        assert f'src="{address}"' in html
        assert own.get(address).content == (pack / "pictures" / "frame.png").read_bytes()
        assert own.get("/api/v1/projects/small").json()["domains"][1]["id"] == "keys"
        server.close()


def test_a_pack_of_ones_own_cannot_call_itself_as_a_shipped_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = small_pack(tmp_path / "mine")
    text = (pack / "pack.yaml").read_text(encoding="utf-8")
    (pack / "pack.yaml").write_text(text.replace("id: small", f"id: {PACK}"), encoding="utf-8")
    assert run(["annotate", "init", str(tmp_path / "d"), "--pack", str(pack)]) == 1
    assert f"'{PACK}' is the id of a pack that ships" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "a b", "x" * 64, "ann\n"])
def test_a_name_that_no_request_could_name_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("PLM_ANNOTATE_PASSWORD", PASSWORD)
    assert run(["annotate", "init", str(tmp_path / "d"), "--owner", name]) == 1
    assert "is no name of a person" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()
