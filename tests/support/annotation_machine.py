"""A state machine over the HTTP interface of the annotation service, with a model of what was acknowledged.

People lease, save, submit, give back, in any order, each request once to five times, from two tabs and with old
fences; meanwhile the clock jumps, people are disabled and change their role, rules change, items are reported. After
every step the database is read and compared with the model.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from annotation_answers import payload_for
from annotation_record import Told, lost_drafts, missing, problems
from annotation_service import TABLE_HASH, Service
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import func, select

from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.projects import project_named, set_member
from perceptlm.annotate.services.revocations import disable_user
from perceptlm.annotate.services.users import add_credential, create_user, user_named
from perceptlm.annotate.serving import run_once
from perceptlm.annotate.store.audit import SERVER
from perceptlm.annotate.store.tables import Submission

WORKERS = ("ann", "bob", "cat", "dan", "ver", "vic", "exp", "eve")
NEWCOMERS = ("fay", "gus")
EXPERTS = ("exp", "eve", "dan")
"""Who has a credential, whatever their role."""
ROLES_AT_FIRST = {"dan": "annotator", "vic": "verifier", "eve": "expert", "fay": "annotator", "gus": "annotator"}
SECONDS = (20, 400, 901, 4000, 90_000, -400, -3600, -90_000)
people = st.sampled_from(WORKERS)
times = st.sampled_from((1, 1, 1, 2, 3, 5))
picks = st.integers(0, 15)
TRIED: Counter[str] = Counter()
"""What all runs of the machine did, by kind of request and its answer."""


@dataclass
class Lease:
    """What one person was given, and how far its draft is as they know."""

    name: str
    answer: dict[str, Any]
    rev: int = 0


@dataclass
class Sent:
    """One operation of a person, and the answer that acknowledged it."""

    name: str
    assignment_id: int
    body: dict[str, Any]
    answer: dict[str, Any] | None = None


@dataclass
class Model:
    """What the people know."""

    leases: list[Lease] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    drafts: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    disabled: set[str] = field(default_factory=set)


class Work(RuleBasedStateMachine):
    """See the module. `make_service` is set by whoever runs it."""

    make_service: ClassVar[Callable[[], Service]]

    def __init__(self) -> None:
        super().__init__()
        self.service = type(self).make_service()
        self.model = Model()
        self._num_items = 0
        self._num_operations = 0
        self.service.policy(**self._policy(2), ceiling_share=1)
        self.service.database.write(self._add_people)
        self.user_ids = {name: self.service.user(name).id for name in WORKERS + NEWCOMERS}
        self.ask_for_items(2, 1)

    def teardown(self) -> None:
        """Close the service."""
        self.service.close()

    # What people do.

    @rule(name=people, times=times, labels=st.booleans())
    def ask_for_work(self, name: str, times: int, labels: bool) -> None:
        """Somebody asks for work, perhaps several times, experts also for what everybody does."""
        for _ in range(times):
            self._next(name, ["choice", "blind_answer", "distractor", "ceiling"] if labels else None)

    @rule(name=people, pick=picks)
    def work(self, name: str, pick: int) -> None:
        """Somebody does the next piece of work, without accidents."""
        if (lease := self._next(name)) is not None:
            self._send(self._operation(lease, pick), 1)

    @rule(pick=picks, are_new=st.booleans())
    def everybody_works(self, pick: int, are_new: bool) -> None:
        """Everybody does up to three pieces of work, so that items come far; or those do who had no part before."""
        for name in NEWCOMERS * 3 if are_new else WORKERS * 3:
            self.work(name, pick & ~1)

    @rule(pick=picks)
    def experts_decide(self, pick: int) -> None:
        """People answer one way and the other, the quality engine routes, and experts take what came to them."""
        for number, name in enumerate(WORKERS):
            self.work(name, pick + number)
        self.refit()
        for name in EXPERTS:
            self.work(name, pick)

    @precondition(lambda self: self.model.leases)
    @rule(which=st.integers(0, 200), pick=picks, times=times, is_old=st.booleans())
    def submit(self, which: int, pick: int, times: int, is_old: bool) -> None:
        """Somebody submits for a lease they once had, ended or not, also with a fence that was never theirs."""
        operation = self._operation(self._lease(which), pick)
        if is_old:
            operation.body["fence"] = max(1, operation.body["fence"] - 1)
        self._send(operation, times)

    @precondition(lambda self: self.model.sent)
    @rule(which=st.integers(0, 200), times=times)
    def send_again(self, which: int, times: int) -> None:
        """An operation is sent again, acknowledged or not."""
        self._send(self.model.sent[-1 - which % len(self.model.sent)], times)

    @precondition(lambda self: self.model.leases)
    @rule(which=st.integers(0, 200), pick=picks)
    def two_tabs(self, which: int, pick: int) -> None:
        """Two tabs submit different answers to one lease: one counts."""
        lease = self._lease(which)
        first, second = self._operation(lease, pick), self._operation(lease, pick + 1)
        self._send(first, 1)
        self._send(second, 1)
        assert first.answer is None or second.answer is None, "both tabs were acknowledged"

    @precondition(lambda self: self.model.leases)
    @rule(which=st.integers(0, 200), pick=picks, times=times, is_stale=st.booleans())
    def save_draft(self, which: int, pick: int, times: int, is_stale: bool) -> None:
        """Somebody saves a draft, perhaps on a revision that another tab has left behind."""
        lease = self._lease(which)
        base = max(0, lease.rev - 1) if is_stale else lease.rev
        body = {"note": f"{len(self.model.drafts)} {pick}"}
        for _ in range(times):
            url = f"/assignments/{lease.answer['id']}/draft"
            answer = self.ask(lease.name, "PUT", url, {"body": body}, headers={"If-Match": str(base)})
            if answer.status_code in (200, 412):
                self.model.drafts.append((lease.answer["id"], body))
                found = answer.json()
                lease.rev = found["rev"] if answer.status_code == 200 else found["current"]["rev"]

    @precondition(lambda self: self.model.leases)
    @rule(which=st.integers(0, 200), times=times, verb=st.sampled_from(("heartbeat", "heartbeat", "release", "reveal")))
    def hold(self, which: int, times: int, verb: str) -> None:
        """Somebody prolongs a lease, gives it back or asks for the proposals, also one that is long over."""
        lease = self._lease(which)
        body = {"fence": lease.answer["fence"], **({"reason": "no time"} if verb == "release" else {})}
        for _ in range(times):
            self.ask(lease.name, "POST", f"/assignments/{lease.answer['id']}/{verb}", body)

    # What happens around them.

    @rule(seconds=st.sampled_from(SECONDS))
    def turn_clock(self, seconds: int) -> None:
        """The clock jumps."""
        self.service.clock.move_seconds(seconds)

    @rule()
    def worker_round(self) -> None:
        """The worker ends overdue leases and fits."""
        run_once(self.service.server, {})

    @rule()
    def refit(self) -> None:
        """The quality engine decides."""
        self.ask("man", "POST", "/projects/p/refit", None, 200)

    @rule(name=st.sampled_from(("cat", "vic")))
    def disable(self, name: str) -> None:
        """A person is disabled: nothing they send is taken in from then on."""
        self.service.person(name)
        disable_user(self.service.database, SERVER, name)
        self.model.disabled.add(name)

    @rule(name=people, role=st.sampled_from(("annotator", "verifier", "expert")))
    def change_role(self, name: str, role: str) -> None:
        """A person gets another role, whatever they hold."""
        self.ask("man", "POST", "/projects/p/members", {"user": name, "role": role}, 201)

    @rule(first=st.integers(1, 3))
    def change_rules(self, first: int) -> None:
        """The policy and the guideline change while people work."""
        self.service.policy(**self._policy(first), ceiling_share=1)
        self.ask("man", "POST", "/projects/p/guidelines", {"markdown": f"# Ask {first}"}, 201)

    @rule(num_choices=st.integers(0, 2), num_questions=st.integers(0, 1))
    def ask_for_items(self, num_choices: int, num_questions: int) -> None:
        """More items come in, perhaps sent twice."""
        self._num_items += 1
        shown = [{"kind": "choice", "text": "left", "model": {"name": "m", "revision": "1", "licence": "CC0-1.0"}}]
        entries = [
            self.service.choice(f"c{self._num_items}.{number}", proposals=shown) for number in range(num_choices)
        ]
        entries += [self.service.fgqa(f"q{self._num_items}.{number}") for number in range(num_questions)]
        for _ in range(2 if entries else 0):
            self.ask("man", "POST", "/projects/p/items", {"items": entries}, 201)

    @rule(item=st.integers(1, 6), verb=st.sampled_from(("report", "report", "report", "discard")))
    def complain(self, item: int, verb: str) -> None:
        """An item is reported as wrong, or taken out."""
        self.ask("man", "POST", f"/projects/p/items/{item}/{verb}", {"reason": "wrong"})

    @invariant()
    def record_is_right(self) -> None:
        """The database holds what was acknowledged, and nothing that may not be."""
        told = [
            Told(self.user_ids[sent.name], sent.body["client_op_id"], sent.assignment_id, sent.body["payload"],
                 sent.answer)
            for sent in self.model.sent if sent.answer is not None
        ]  # fmt: skip

        def look(session: Any) -> list[str]:
            count = session.scalar(select(func.count()).select_from(Submission))
            extra = [] if count == len(told) else [f"{count} submissions, of which {len(told)} were acknowledged"]
            return [*problems(session), *missing(session, told), *lost_drafts(session, self.model.drafts), *extra]

        assert self.service.database.read(look) == []
        TRIED["steps"] += 1

    # How they do it.

    def ask(self, name: str, method: str, path: str, body: Any, status: int | None = None, headers: Any = None) -> Any:
        """Send one request as somebody; who is signed out by a jump of the clock signs in again."""
        person = self.service.person(name)
        answer = person.request(method, f"/api/v1{path}", json=body, headers=headers)
        if answer.status_code == 401 and name not in self.model.disabled:
            person.sign_in()
            answer = person.request(method, f"/api/v1{path}", json=body, headers=headers)
        assert (answer.status_code == 401) == (name in self.model.disabled), answer.text
        assert answer.status_code < 500, answer.text
        assert status is None or answer.status_code == status, answer.text
        TRIED[f"{method} {path.rsplit('/', 1)[-1]} {answer.status_code}"] += 1
        return answer

    def _next(self, name: str, steps: list[str] | None = None) -> Lease | None:
        answer = self.ask(name, "POST", "/projects/p/next", {"steps": steps})
        if answer.status_code != 200:
            return None
        found = answer.json()
        lease = next((old for old in self.model.leases if old.answer["id"] == found["id"]), None)
        if lease is None:
            lease = Lease(name, found)
            self.model.leases.append(lease)
            TRIED[f"leased {found['step']}"] += 1
        lease.answer, lease.rev = found, (found["draft"] or {"rev": 0})["rev"]
        return lease

    def _add_people(self, session: Any) -> None:
        owner, project = Caller(self.service.user_ids["own"]), project_named(session, "p")
        for name, role in ROLES_AT_FIRST.items():
            create_user(session, SERVER, name, user_named(session, "ann").password_hash)
            set_member(session, owner, project, name, role)
        for name in EXPERTS:
            user = user_named(session, name)
            add_credential(session, owner.actor, user.id, "general", "md", "a" * 64, 2**52)

    def _lease(self, which: int) -> Lease:
        """Return a lease somebody has or had; an even `which` names one that is not known to be done."""
        done = {sent.assignment_id for sent in self.model.sent if sent.answer is not None}
        waiting = [lease for lease in self.model.leases if lease.answer["id"] not in done]
        found = waiting if waiting and which % 2 == 0 else self.model.leases
        return found[-1 - which // 2 % len(found)]

    def _operation(self, lease: Lease, pick: int) -> Sent:
        self._num_operations += 1
        body = {
            "client_op_id": str(uuid.UUID(int=self._num_operations)),
            "fence": lease.answer["fence"],
            "payload": payload_for(lease.answer, pick),
            "frame_table_hash": TABLE_HASH,
            "guideline_version": lease.answer["guideline_version"],
            "active_seconds": 1.5,
        }
        sent = Sent(lease.name, lease.answer["id"], body)
        self.model.sent.append(sent)
        return sent

    def _send(self, sent: Sent, times: int) -> None:
        for _ in range(times):
            answer = self.ask(sent.name, "POST", f"/assignments/{sent.assignment_id}/submissions", sent.body)
            if sent.name in self.model.disabled:
                continue
            if sent.answer is not None:
                assert (answer.status_code, answer.json()) == (200, sent.answer), answer.text
            elif answer.status_code == 201:
                sent.answer = answer.json()
            else:
                assert answer.status_code in (403, 409, 422), answer.text

    @staticmethod
    def _policy(first: int) -> dict[str, int]:
        return {"first_labels": first, "most_labels": 3, "most_answers": 3, "lease_seconds": 600, "most_rounds": 2}
