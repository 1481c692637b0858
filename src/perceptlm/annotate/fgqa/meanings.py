"""Which free answers mean the same: people's own judgements joined into clusters, and whether these contradict.

Texts are never voted on. Two answers are linked when a person said so, when both were linked to the same proposal, or
when they are word for word the same. Knows no policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from perceptlm.annotate.fgqa.payloads import BlindAnswer, Compare, Interval
from perceptlm.annotate.fgqa.text_rules import same_text
from perceptlm.annotate.fgqa.view import Proposal, SubmissionView

Node = tuple[str, int]
"""('answer', submission id) or ('proposal', proposal id)."""


@dataclass(frozen=True)
class Meanings:
    """Clusters of answers (submission ids), the largest first; `contradicted` if somebody parted what is joined."""

    clusters: tuple[tuple[int, ...], ...]
    proposals: tuple[frozenset[int], ...]
    """Per cluster: the proposals that mean the same."""
    contradicted: bool


def cluster_answers(
    answers: Sequence[SubmissionView], compares: Sequence[SubmissionView], proposals: Sequence[Proposal]
) -> Meanings:
    """Return the clusters of `answers` (blind answers, one per person) by what their authors said when comparing."""
    own = {item.user: item.id for item in answers}
    texts = {item.id: cast(BlindAnswer, item.payload).answer for item in answers}
    joined: list[tuple[Node, Node]] = []
    parted: list[tuple[Node, Node]] = []
    for item in compares:
        payload = cast(Compare, item.payload)
        if item.user not in own:
            continue
        mine: Node = ("answer", own[item.user])
        if payload.proposal_id is not None:
            (joined if payload.same_meaning else parted).append((mine, ("proposal", payload.proposal_id)))
        for other in payload.others:
            if other.submission_id in texts:
                (joined if other.same_meaning else parted).append((mine, ("answer", other.submission_id)))
    ids = list(texts)
    joined += [
        (("answer", a), ("answer", b)) for n, a in enumerate(ids) for b in ids[n + 1 :] if same_text(texts[a], texts[b])
    ]
    joined += [(("answer", a), ("proposal", p.id)) for a in ids for p in proposals if same_text(texts[a], p.text)]
    leader = _join([("answer", number) for number in ids] + [("proposal", p.id) for p in proposals], joined)
    found: dict[Node, list[int]] = {}
    for number in ids:
        found.setdefault(leader["answer", number], []).append(number)
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[1][0]))
    return Meanings(
        clusters=tuple(tuple(members) for _, members in ordered),
        proposals=tuple(frozenset(p.id for p in proposals if leader["proposal", p.id] == head) for head, _ in ordered),
        contradicted=any(leader.get(a) == leader.get(b) for a, b in parted if a in leader and b in leader),
    )


def _join(nodes: Sequence[Node], links: Sequence[tuple[Node, Node]]) -> dict[Node, Node]:
    leader = {node: node for node in nodes}
    for a, b in links:
        if a in leader and b in leader and leader[a] != leader[b]:
            old, new = leader[b], leader[a]
            leader = {node: new if head == old else head for node, head in leader.items()}
    return leader


def final_wording(
    cluster: Sequence[int], answers: Sequence[SubmissionView], compares: Sequence[SubmissionView]
) -> tuple[str, int]:
    """Return the agreed wording and the submission it comes from.

    It is the last merged wording, since its author has seen the others'; without one, the first answer.
    """
    members = [item for item in answers if item.id in cluster]
    users = {item.user for item in members}
    merged = [item for item in compares if item.user in users and cast(Compare, item.payload).merged]
    if merged:
        last = max(merged, key=lambda item: item.id)
        return str(cast(Compare, last.payload).merged), last.id
    first = min(members, key=lambda item: item.id)
    return cast(BlindAnswer, first.payload).answer, first.id


def median_interval(intervals: Sequence[Interval]) -> tuple[Interval, int]:
    """Return the interval of the median boundaries (the lower of two middle starts, the upper of two middle ends), and
    by how many frames the boundaries spread."""
    starts, ends = sorted(item.start for item in intervals), sorted(item.end for item in intervals)
    start, end = starts[(len(starts) - 1) // 2], ends[len(ends) // 2]
    return Interval(start=start, end=end), max(starts[-1] - starts[0], ends[-1] - ends[0])
