"""What passes between scoring and a judge: calls, verdicts, and who judged.

A call holds all that a judge may see, and is equal to any other call with the same content, so that nothing is asked
twice. This module knows no wording, no model and no metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from perceptlm.config import Config
from perceptlm.schema import Fact

CallKind = Literal["answer", "caption"]


@dataclass(frozen=True)
class JudgeCall:
    """One prediction to compare with one reference: an answer to `question`, or a caption (`question` is None)."""

    kind: CallKind
    question: str | None
    reference: str
    prediction: str
    facts: tuple[Fact, ...] = ()
    """What the reference states, where a program knows it; judges that read texts do not look at it."""


@dataclass(frozen=True)
class Verdict:
    """What a judge made of a call: `value` is 1 or 0 for an answer, the score / 10 for a caption.

    `reason` is set where the judge failed, and says how; `value` is None then, or the 0 that lmms-eval gives to a reply
    that it cannot read. `reply` is the judge's text, None where there is none. `parsed_by_fallback`: the reply was not
    in the form asked for, but its meaning was taken from it. `num_tries`: how often the judge was asked.
    """

    value: float | None
    reply: str | None = None
    reason: str | None = None
    parsed_by_fallback: bool = False
    num_tries: int = 1


class JudgeIdentity(Config):
    """Who judged: part of a result's identity. Equal identities may share replies."""

    name: str
    revision: str
    prompt_hash: str
    """sha256 of the wording, or of the rules' name where no model is asked."""
    temperature: float
    backend: str

    @property
    def is_free(self) -> bool:
        """Whether no model is asked, so that any number of answers may be judged."""
        return self.backend == "rules"

    @property
    def label(self) -> str:
        """One line for tables."""
        if self.is_free:
            return self.name
        return (
            f"{self.name}, revision {self.revision}, prompt {self.prompt_hash[:12]}, temperature {self.temperature:g}"
        )


class Judge(Protocol):
    """Anything that compares predictions with references."""

    @property
    def identity(self) -> JudgeIdentity:
        """Who judges."""
        ...

    def judge(self, calls: Sequence[JudgeCall]) -> list[Verdict]:
        """Return one verdict per call, in order. Raises ClientError when too many calls get no reply at all."""
        ...


class Verdicts(Protocol):
    """Verdicts by call: a dict, or a judge that costs nothing and is asked when needed."""

    def get(self, call: JudgeCall, /) -> Verdict | None:
        """Return the verdict on a call; None if it was not judged."""
        ...
