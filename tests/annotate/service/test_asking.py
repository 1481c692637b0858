"""Models take part: `plm annotate propose` and `text-only` against a served project, and a model behind HTTP."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace

import numpy as np
import pytest
from judge_server import judge_server
from quiet_server import QuietServer, running

from perceptlm.annotate.asking.needs import AskSettings
from perceptlm.annotate.asking.run import check_text_only, needy_items, propose
from perceptlm.annotate.asking.service import SCOPES, Service, ServiceRefusal
from perceptlm.annotate.services.setup import add_key
from perceptlm.annotate.serving import listening
from perceptlm.cli.main import run
from perceptlm.clients import ModelIdentity, ScriptedClient
from perceptlm.errors import ClientError, ConfigError, PerceptLMError
from perceptlm.media.write_video import write_video

MODEL = {"name": "Qwen/Qwen2.5-VL-7B-Instruct", "revision": "0123456789abcdef", "licence": "Apache-2.0"}
IDENTITY = ModelIdentity(**MODEL, backend="scripted")
FRAMES = np.random.default_rng(0).integers(0, 255, (6, 32, 48, 3), dtype=np.uint8)


@pytest.fixture
def served(sqlite_service, tmp_path, monkeypatch):
    """The project `p` with a video, listened to at `url`; `items()` adds items, which have no proposals."""
    service = sqlite_service
    service.policy(use_text_only=True)
    key = add_key(service.server, "own", "p", "models", list(SCOPES), 1)
    monkeypatch.setenv("PLM_ANNOTATE_KEY", key)
    write_video(tmp_path / "v.mp4", FRAMES, 10)
    files = {"file": ("v", (tmp_path / "v.mp4").read_bytes())}
    asset = service.person("man").post("/api/v1/projects/p/assets", files=files).json()

    def items(*keys, **changes):
        made = {"asset_id": asset["id"], "step": "blind_answer", "proposals": [], **changes}
        return [entry["id"] for entry in service.add_items(*(service.fgqa(key, **made) for key in keys))]

    def shown(number):
        return service.person("man").get(f"/api/v1/projects/p/items/{number}").json()

    def work_off(*names):
        """Let people work until there is nothing for them; return what each was told of proposals before answering."""
        seen = {}
        for name in names * 6:
            assignment = service.person(name).next()
            if assignment is not None:
                seen.setdefault(assignment["step"], assignment["proposals"])
                done = service.person(name).work()
                assert done is not None
        return seen

    service.person("ann")
    table = asset["frame_table_hash"]
    monkeypatch.setattr("annotation_service.TABLE_HASH", table)
    with listening(service.server) as url, Service(url, "p") as api:
        yield SimpleNamespace(url=url, api=api, service=service, items=items, shown=shown, work_off=work_off)


def reply(text):
    """A model that sees a cat, and guesses it without seeing it where the other is a dog or a cow."""
    if text.startswith("Answer the question"):
        return "a cat"
    if text.startswith("Write"):
        return '["a cat.", "a bird", "a fish"]' if "there already" in text else 'Here: ["a dog", "a cow", "A cat."]'
    letters = {line[-5:]: line.strip("(")[0] for line in text.splitlines() if line.endswith("a cat")}
    return letters["a cat"] if "a dog" in text or "a cow" in text else "A"


def command(verb, url, *more):
    return ["annotate", verb, url, "--project", "p", *more, "--json"]


def test_models_propose_people_judge_and_what_a_blind_model_tells_is_left_out(served, capsys):
    (item,) = served.items("k")
    assert served.shown(item)["needs"] == ["answer_proposals"]
    with judge_server(reply) as judge:
        asked = ("--endpoint", judge.url, "--model-name", MODEL["name"], "--model-revision", MODEL["revision"])
        licence = ("--model-licence", MODEL["licence"], "--num-frames", "4", "--max-side", "24")

        def ask(verb):
            assert run(command(verb, served.url, *asked, *(licence if verb == "propose" else ()))) == 0
            return json.loads(capsys.readouterr().out)

        assert ask("propose")["answer_proposals"]["num_met"] == 1
        assert list(judge.pictures.values()) == [4], "frames of the clip"
        (proposal,) = served.shown(item)["proposals"]
        assert (proposal["model"], len(proposal["prompt_sha256"])) == (MODEL, 64)
        assert served.shown(item)["needs"] == []
        seen = served.work_off("ann", "bob")
        assert seen["blind_answer"] == [], "hidden until there is an answer of one's own"
        assert [shown["text"] for shown in seen["compare"]] == ["a cat"]
        assert served.shown(item)["needs"] == ["distractor_proposals"]

        found = ask("propose")["distractor_proposals"]
        assert (found["num_met"], found["num_given"], len(found["reasons"])) == (1, 2, 1)
        served.work_off("ann", "bob")
        assert served.shown(item)["needs"] == ["text_only"]
        judge.pictures.clear()
        found = ask("text-only")["text_only"]
        assert (found["num_met"], found["num_given"]) == (1, 2)
        assert set(judge.pictures.values()) == {0}, "no video"
        assert served.shown(item)["needs"] == ["distractor_proposals"]

        assert ask("propose")["distractor_proposals"]["num_given"] == 2
        served.work_off("ann", "bob")
        assert ask("text-only")["text_only"]["num_given"] == 0
        for verb, need in (("propose", "distractor_proposals"), ("text-only", "text_only")):
            assert ask(verb)[need]["num_needed"] == 0, "asked again it does nothing"
    served.work_off("ver")
    shown = served.shown(item)
    assert shown["state"] == "accepted"
    assert [set(pair["options"]) for pair in shown["derived"]["groups"]] == [{"a cat", "a bird"}, {"a cat", "a fish"}]
    assert [len(check["told"]) for check in shown["text_only"]] == [2, 0]
    assert {refusal["need"] for refusal in shown["refusals"]} == {"distractor_proposals"}
    assert served.service.is_intact()


def client(answers):
    return ScriptedClient(answers, identity=IDENTITY)


def test_what_a_model_does_not_answer_well_is_counted_and_stops_nothing(served):
    ids = served.items("good", "unseen", "steers", "silent", "<script>alert(1)</script>")
    answers = {"good": "a\ncat", "unseen": "UNSEEN", "steers": "a \u202edog", "<script>alert(1)</script>": "<b>cat</b>"}
    service, settings = served.api, AskSettings(num_frames=1)
    items = needy_items(service, "answer_proposals", settings)
    tally = propose(service, client(answers), "answer_proposals", settings, items)
    assert (tally.num_asked, tally.num_met, tally.num_refused, tally.num_failed) == (5, 2, 2, 1)
    assert [len(served.shown(number)["proposals"]) for number in ids] == [1, 0, 0, 0, 1]
    assert "cannot be seen" in served.shown(ids[1])["refusals"][0]["reason"]
    assert served.shown(ids[3])["refusals"] == [], "a model that was away may be asked again"

    items = needy_items(service, "answer_proposals", settings)
    tally = propose(service, client({"silent": "a cat"}), "answer_proposals", settings, items)
    assert (tally.num_needed, tally.num_asked_before, tally.num_met) == (3, 2, 1)
    other = ScriptedClient({"unseen": "a dog"}, identity=IDENTITY.model_copy(update={"revision": "1" * 40}))
    assert propose(service, other, "answer_proposals", settings, items[:1]).num_met == 1, "another model is asked"
    again = settings.model_copy(update={"again": True})
    tally = propose(service, client({"unseen": "a pig", "steers": "a cow"}), "answer_proposals", again, items[:2])
    assert (tally.num_not_needed, tally.num_met) == (1, 1), "what is no longer needed is not taken"
    assert [proposal["text"] for proposal in served.shown(ids[1])["proposals"]] == ["a dog"]


def test_a_model_that_is_down_ends_the_run_and_one_that_names_no_letter_is_recorded(served, monkeypatch):
    monkeypatch.setattr("perceptlm.annotate.asking.run.MAX_FAILURES_IN_A_ROW", 2)
    ids = served.items("a", "b", "c")
    service, settings = served.api, AskSettings(num_frames=1)
    with pytest.raises(ClientError, match="2 items failed"):
        propose(service, client({}), "answer_proposals", settings, needy_items(service, "answer_proposals", settings))
    for number in ids[1:]:
        served.service.person("man").post(f"/api/v1/projects/p/items/{number}/discard", json={"reason": "enough"})
    assert served.shown(ids[1])["needs"] == [], "what is discarded waits for nothing"
    served.work_off("ann", "bob")
    mute = client(lambda request: '["a dog", "a cow"]' if request.turns[0].text.startswith("Write") else "I cannot say")
    (item,) = needy_items(service, "distractor_proposals", settings)
    assert propose(service, mute, "distractor_proposals", settings, [item]).num_given == 2
    served.work_off("ann", "bob")
    for counts in ((1, 1, 0), (1, 0, 1)):
        items = needy_items(service, "text_only", settings)
        tally = check_text_only(service, mute, settings, items)
        assert (tally.num_needed, tally.num_refused, tally.num_asked_before) == counts
    assert served.shown(ids[0])["needs"] == ["text_only"]


def test_a_service_that_is_busy_is_asked_again_and_nonsense_ends_the_run(monkeypatch):
    answers = [(503, b"{}"), (200, b'{"items": [], "next": 7}'), (200, b'{"items": [], "next": 7}'),
               (200, b"<html>"), (200, b'{"items": [{"id": "x"}]}'), (302, b"{}")]  # fmt: skip

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = answers.pop(0)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Say nothing."""

    monkeypatch.setenv("PLM_ANNOTATE_KEY", "any")
    waited, listener = [], QuietServer(Handler)
    with running(listener), Service(listener.url.removesuffix("/v1"), "p", sleep=waited.append) as service:
        for said in ("in a circle", "not valid JSON", "items.0.id", "302"):
            with pytest.raises(PerceptLMError, match=said):
                list(service.needs("text_only"))
    assert (waited, answers) == ([1.0], [])


def test_a_dry_run_needs_no_model_and_wrong_keys_projects_and_models_are_told(served, capsys, monkeypatch):
    served.items("a", "b")
    assert run(command("propose", served.url, "--dry-run", "--num-frames", "4")) == 0
    answers, distractors = json.loads(capsys.readouterr().out)["plans"]
    assert (answers["num_requests"], answers["num_pictures"], distractors["num_items"]) == (2, 8, 0)
    assert answers["num_tokens_in"] > 8 * 256
    assert run(command("propose", served.url, "--dry-run", "--limit", "1", "--only", "answers")) == 0
    assert [plan["num_items"] for plan in json.loads(capsys.readouterr().out)["plans"]] == [1]
    with pytest.raises(ConfigError, match="may make no proposals"):
        propose(served.api, ScriptedClient({}), "answer_proposals", AskSettings(), [])
    few = add_key(served.service.server, "own", "p", "reads", ["needs.read", "asset.read"], 1)
    monkeypatch.setenv("PLM_ANNOTATE_KEY", few)
    with Service(served.url, "p") as service:
        items = needy_items(service, "answer_proposals", AskSettings())
        with pytest.raises(ServiceRefusal, match=r"not for 'needs\.meet'") as refused:
            propose(service, client({"a": "a cat"}), "answer_proposals", AskSettings(num_frames=1), items)
    assert "--scope needs.meet" in refused.value.hint
    assert run([*command("text-only", served.url, "--dry-run")[:-1], "--project", "q"]) == 1
    assert "is the project's name right" in capsys.readouterr().err.replace("\n", " ")
    assert run(command("text-only", served.url)) == 2
    assert "--endpoint" in capsys.readouterr().err
    monkeypatch.delenv("PLM_ANNOTATE_KEY")
    assert run(command("propose", served.url, "--dry-run")) == 1
    assert "key-add" in capsys.readouterr().err
