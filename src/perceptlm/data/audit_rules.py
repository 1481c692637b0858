"""What the audit asks of one record's origin: that it leads to a person, a program, or a named state of an open model.

One function returns every fault of an `Origin`, as reasons from a fixed set with a sentence each. It sees no other
record; what only a whole dataset can tell is in `audit`.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, get_args

from perceptlm.data.open_weights import KnownModel, OpenWeights, licence_says_nothing, moves, says_nothing
from perceptlm.schema import Origin

Reason = Literal[
    "unreadable record",
    "origin without a name",
    "model passed off as a person or program",
    "closed model",
    "model not on the open-weights list",
    "output not allowed for training",
    "output use not known",
    "licence missing",
    "licence contradicts the list",
    "revision not fixed",
    "revision not recognised",
    "benchmark record in training",
    "media shared with the benchmark",
    "recording shared with the benchmark",
]
REASONS: tuple[Reason, ...] = get_args(Reason)
ADVICE: dict[Reason, str] = {
    "unreadable record": "`plm data validate` lists what is wrong with it",
    "origin without a name": "name the person or their team, the program, or the model",
    "model passed off as a person or program": "write kind 'model', with the revision and the licence",
    "closed model": "leave these records out, or have people or an open model write them anew",
    "model not on the open-weights list": "write the model's exact name; a new one is added to open_weights.yaml",
    "output not allowed for training": "leave these records out",
    "output use not known": "read the model's licence and add what it says to open_weights.yaml, with the source",
    "licence missing": "write the licence of the records as an SPDX expression",
    "licence contradicts the list": "name the model's licence too, as in 'CC-BY-4.0 AND LicenseRef-Llama-3.2'",
    "revision not fixed": "name the commit, digest or version that was used",
    "revision not recognised": "name the commit (7 to 64 hexadecimal digits), sha256:DIGEST, or a version",
    "benchmark record in training": "take it out of the training data",
    "media shared with the benchmark": "take the records with these media out of the training data",
    "recording shared with the benchmark": "look whether the clips overlap; the scores may be too good",
}
_GENERIC = frozenset(
    ["anonymous", "ai", "assistant", "llm", "vlm", "lmm", "model", "program", "script", "person", "human", "user"]
)


class Fault(NamedTuple):
    """One reason why a record fails, and what it is in this case."""

    reason: Reason
    message: str


def faults_of(origin: Origin, known: OpenWeights) -> tuple[Fault, ...]:
    """Return everything that is wrong with an origin; nothing for one that resolves."""
    faults = []
    if says_nothing(origin.name) or origin.name.strip().casefold() in _GENERIC:
        faults.append(Fault("origin without a name", f"the name '{origin.name}' names no {origin.kind}"))
    elif origin.kind == "model":
        faults += _model_faults(origin, known)
    elif known.find(origin.name) is not None or known.why_refused(origin.name) is not None:
        message = f"'{origin.name}' is a model, but the origin says {origin.kind}"
        faults.append(Fault("model passed off as a person or program", message))
    if licence_says_nothing(origin.licence):
        faults.append(Fault("licence missing", f"the licence of the record is '{origin.licence}'"))
    if moves(origin.revision):
        faults.append(Fault("revision not fixed", f"'{origin.revision}' names no fixed state of '{origin.name}'"))
    return tuple(faults)


def _model_faults(origin: Origin, known: OpenWeights) -> list[Fault]:
    model = known.find(origin.name)
    if model is None:
        refused = known.why_refused(origin.name)
        if refused is not None:
            return [Fault("closed model", f"'{origin.name}': {refused}")]
        return [Fault("model not on the open-weights list", f"'{origin.name}' is not on the open-weights list")]
    return [*_licence_faults(origin, model, known), *_revision_faults(origin, model)]


def _licence_faults(origin: Origin, model: KnownModel, known: OpenWeights) -> list[Fault]:
    licence = model.licence
    why = f": {licence.note}" if licence.note else ""
    if licence.output == "not_allowed":
        return [Fault("output not allowed for training", f"{model.name} is under the {licence.title}{why}")]
    if licence.output == "unknown":
        return [Fault("output use not known", f"{model.name} is under the {licence.title}{why}")]
    if licence_says_nothing(origin.licence) or known.carries_duties(model, origin.licence):
        return []
    message = f"{model.name} is under the {licence.title}, whose duties '{origin.licence}' does not carry{why}"
    return [Fault("licence contradicts the list", message)]


def _revision_faults(origin: Origin, model: KnownModel) -> list[Fault]:
    revision = origin.revision.strip()
    if moves(revision) or re.fullmatch(model.family.revision, revision, flags=re.IGNORECASE):
        return []
    return [Fault("revision not recognised", f"'{origin.revision}' is no commit, digest or version of {model.name}")]
