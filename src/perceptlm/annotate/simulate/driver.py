"""A desk over HTTP: the people of a crowd work at a real server, and what came of it is read back from it.

The course is that of `rounds`. People know what they are shown in the answer to /next, and nothing else; whoever
drives them knows the truth, but sends none of it but the gold. This module sends requests, and nothing besides.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from perceptlm.annotate.quality.records import EXPERT, Bools, Floats, Labels
from perceptlm.annotate.quality.routing import REASONS
from perceptlm.annotate.simulate.outcome import Outcome
from perceptlm.annotate.simulate.people import Crowd
from perceptlm.annotate.simulate.private_server import private_server
from perceptlm.annotate.simulate.project_setup import SetUp, set_up
from perceptlm.annotate.simulate.requests import Requests
from perceptlm.annotate.simulate.rounds import work_off
from perceptlm.errors import DataError

_RATIONALE = "It can be seen."
ServiceFigures = dict[str, float | None]


@dataclass(frozen=True)
class Driven:
    """The end of a project at a server, and how quick the server was."""

    outcome: Outcome
    service: ServiceFigures


class HttpDesk:
    """Work at a server. What people answered is kept as they gave it."""

    def __init__(self, crowd: Crowd, requests: Requests, project: SetUp) -> None:
        self._crowd, self._requests, self._project = crowd, requests, project
        self._rows: list[tuple[int, int, int, int, bool]] = []
        self._num_given = [0] * len(crowd.people)

    def work(self, person: int) -> bool:
        """Let `person` take the next piece of work and submit it; False if there is none for them."""
        login = self._project.logins[person]
        work = self._requests.send(login, "POST", f"/projects/{self._crowd.project}/next", {"steps": None}, kind="next")
        if work is None:
            return False
        item = self._project.places[work["item"]["id"]]
        told = self._told(person, work)
        one_person, one_item = np.array([person]), np.array([item])
        seen = np.array([told]) if told >= 0 else self._crowd.sees(one_person, one_item)
        if self._crowd.scenario.mode == "verify" and told < 0:
            seen = np.array([-1])
        before = np.array([self._num_given[person]])
        given = self._crowd.answer(one_person, one_item, shown=seen, num_before=before)
        value, unsure = int(given.value[0]), bool(given.unsure[0])
        body = {
            "client_op_id": str(uuid.uuid4()),
            "fence": work["fence"],
            "payload": _payload(work["step"], value, unsure),
            "frame_table_hash": self._project.frame_table_hash,
            "guideline_version": work["guideline_version"],
            "active_seconds": 1.0,
        }
        self._requests.send(login, "POST", f"/assignments/{work['id']}/submissions", body, kind="submit")
        self._num_given[person] += 1
        self._rows.append((item, person, value, told, unsure))
        return True

    def _told(self, person: int, work: dict[str, Any]) -> int:
        """Return the option that the service shows to an annotator, -1 for none; it may show none in blind_first."""
        proposals = work["proposals"]
        if self._crowd.people.role[person] == EXPERT or not proposals:
            return -1
        if self._crowd.scenario.mode != "verify":
            raise DataError(f"the service showed a proposal before the answer, in assignment {work['id']}")
        return int(work["item"]["options"].index(proposals[0]["text"]))

    def refit(self) -> None:
        """Ask the server to run the quality engine."""
        path = f"/projects/{self._crowd.project}/refit"
        self._requests.send(self._project.manager, "POST", path, kind="refit")

    def labels(self) -> Labels:
        """Return what people answered, in the order of giving."""
        if not self._rows:
            return Labels.none()
        item, worker, value, shown, unsure = (np.array(column) for column in zip(*self._rows, strict=True))
        return Labels(item, worker, value, shown, unsure.astype(np.bool_))


def _payload(step: str, value: int, unsure: bool) -> dict[str, Any]:
    if step == "expert":
        return {"choice": value, "rationale": _RATIONALE, "reason": "other"}
    if step != "choice":
        raise DataError(f"the service handed out a step '{step}', though there are choices only")
    return {"choice": value, "unsure": unsure}


def run_over_http(crowd: Crowd, *, progress: Callable[[str], None] | None = None) -> Driven:
    """Start a server, let the people of `crowd` work at it, and return what it says came of it."""
    scenario = crowd.scenario
    with private_server(crowd.project, scenario.mode, scenario.items.domains) as served:
        requests = Requests(served.url)
        try:
            project = set_up(crowd, requests, served)
            set_up_seconds = sum(sum(times) for times in requests.seconds.values())
            if progress is not None:
                progress(f"seed {crowd.seed}: {len(crowd.truth)} items and {len(project.logins)} people are there")
            requests.seconds.clear()
            desk = HttpDesk(crowd, requests, project)
            num_rounds = work_off(desk, crowd)
            service = _figures(requests, set_up_seconds)
            return Driven(_read_back(crowd, requests, project, desk.labels(), num_rounds), service)
        finally:
            requests.close()


def _figures(requests: Requests, set_up_seconds: float) -> ServiceFigures:
    everything = [seconds for times in requests.seconds.values() for seconds in times]
    busy = sum(everything)
    submitted = len(requests.seconds["submit"])
    figures: ServiceFigures = {
        "set_up_seconds": set_up_seconds,
        "work_seconds": busy,
        "num_requests": float(len(everything)),
        "num_submissions": float(submitted),
        "requests_per_second": len(everything) / busy if busy else None,
        "submissions_per_second": submitted / busy if busy else None,
        "num_refits": float(len(requests.seconds["refit"])),
        "refit_seconds": sum(requests.seconds["refit"]),
    }
    for kind in ("next", "submit", "refit"):
        times = requests.seconds[kind]
        for name, share in (("p50", 50), ("p95", 95)):
            figures[f"{kind}_{name}_ms"] = float(np.percentile(times, share)) * 1000 if times else None
    return figures


def _read_back(crowd: Crowd, requests: Requests, project: SetUp, labels: Labels, num_rounds: int) -> Outcome:
    """Read choices and people from the interface. Items that it says nothing of were answered by nobody."""
    path = f"/projects/{crowd.project}"
    choices = requests.send(project.manager, "GET", f"{path}/choices")["choices"]
    people = requests.send(project.manager, "GET", f"{path}/dashboard")["people"]
    number, num_people = len(crowd.truth), len(crowd.people)
    answer, before = np.zeros(number, dtype=np.int64), np.full(number, -1, dtype=np.int64)
    confidence: Floats = np.full(number, crowd.chance)
    reason, finished = np.zeros(number, dtype=np.int64), np.zeros(number, dtype=np.bool_)
    for row in choices:
        item = project.places[row["item"]]
        answer[item], confidence[item] = row["choice"], row["posterior"]
        finished[item] = row["state"] == "accepted" and row["action"] == "accept"
        if row["is_adjudicated"]:
            reason[item], before[item] = REASONS.index(row["reason"] or ""), row["before_expert"]
    skill = np.zeros((3, num_people))
    flags: dict[str, Bools] = {name: np.zeros(num_people, dtype=np.bool_) for name in ("copies", "paused", "drifts")}
    workers = {crowd.name(worker): worker for worker in range(num_people)}
    for row in people:
        worker = workers[row["user"]]
        skill[:, worker] = row["accuracy"], row["low"], row["high"]
        for name in row["flags"]:
            flags[name][worker] = True
    return Outcome(
        crowd=crowd,
        labels=labels,
        answer=answer,
        confidence=confidence,
        reason=reason,
        crowd_answer=before,
        flagged=flags["copies"],
        paused=flags["paused"],
        drifting=flags["drifts"],
        skill=skill[0],
        skill_low=skill[1],
        skill_high=skill[2],
        num_rounds=num_rounds,
        num_unfinished=int((~finished[: crowd.num_items]).sum()),
    )
