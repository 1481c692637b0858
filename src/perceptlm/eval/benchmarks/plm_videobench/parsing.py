"""How an answer's text is read: by `strict` rules (also in the profile `paper`) or as `lmms-eval-0.7.2` does.

The paper says nothing about reading answers. `strict` is ours: it reads every answer whose meaning is plain (spaces,
asterisks, round brackets) and rejects what is ambiguous. `lmms-eval-0.7.2` repeats that tool bug for bug, so that its
numbers can be compared with (facts/evaluation.md sections 1.2, 1.5, 1.6). Texts come from a model and are hostile:
every pattern here runs in linear time and nothing is ever executed. This module knows no reference answers.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from perceptlm.eval.benchmarks.plm_videobench.profiles import LMMS, Profile

_LARGEST = 10**9
"""Numbers in answers are cut off here: no clip is that long, and arithmetic stays finite."""

_LMMS_PAIR = re.compile(r"\[([0-9]+(?:\.[0-9]+)?),\s*([0-9]+(?:\.[0-9]+)?)\]")
_LMMS_SEGMENT = re.compile(r"\[(\d+),\s*(\d+)\]([^\[]*)")
_ODD_SPACE = re.compile(r"[^\S \t\r\n\f]")
_STRICT_PAIR = re.compile(r"[\[(]\s{0,9}(\d+(?:\.\d+)?)\s{0,9},\s{0,9}(\d+(?:\.\d+)?)\s{0,9}[\])]")
_ANSWER_PREFIX = re.compile(r"^\W*(?:the\s+|my\s+)?(?:best\s+|correct\s+)?(?:answer|option|choice)\b(?:\s+is\b)?\W*")
_BRACKETED_LETTER = re.compile(r"[(\[]\s?([a-z])\s?[)\]]")
_LEADING_LETTER = re.compile(r"([a-z])(?=$|\s*[).:,*\]]|\s*\n)")


class CaptionedSegment(NamedTuple):
    """One line of a dense caption: start and end in sampled frames, and its text."""

    start: float
    end: float
    caption: str


def parse_option(text: str, options: tuple[str, ...]) -> int | None:
    """Return the index of the option a `strict` reading of `text` names, or None.

    Read in this order: "(B)" anywhere, if only one letter stands in brackets; a letter at the start ("B", "b.",
    "**B**", "The answer is B"); the text of exactly one option. "A man ..." is an article, not option A.
    """
    plain = text.strip().lower()
    bracketed = {_letter_index(letter) for letter in _BRACKETED_LETTER.findall(plain)}
    named = {index for index in bracketed if index < len(options)}
    if named:
        return named.pop() if len(named) == 1 else None
    plain = _ANSWER_PREFIX.sub("", plain).lstrip("([*_\"'` ")
    match = _LEADING_LETTER.match(plain)
    if match and _letter_index(match.group(1)) < len(options):
        return _letter_index(match.group(1))
    matching = [index for index, option in enumerate(options) if _bare(option) == _bare(plain)]
    return matching[0] if len(matching) == 1 else None


def lmms_option_is_correct(response: str, target: str) -> bool:
    """Return whether lmms-eval 0.7.2 counts `response` as right for a target such as "(A) text".

    Only the first space-separated word counts, and containment is tested both ways; "." is right for every question.
    """
    if "answer:" in response.lower():
        response = response.lower().replace("answer:", "").strip()
    first = response.split(" ")[0].lower()
    label = target[:3].lower()
    return bool(first) and (first.replace(".", "") in label or label in first)


def parse_span(text: str, profile: Profile) -> tuple[float, float] | None:
    """Return the first "[start, end]" of `text` as it stands (perhaps reversed), or None."""
    match = (_LMMS_PAIR if profile == LMMS else _STRICT_PAIR).search(text)
    if match is None:
        return None
    numbers = match.groups()
    # lmms-eval reads the match as a Python literal: an integer such as 03 is a syntax error there, as are odd spaces.
    if profile == LMMS and (
        any(n[0] == "0" and "." not in n and n.strip("0") for n in numbers) or _ODD_SPACE.search(match[0])
    ):
        return None
    return _number(numbers[0]), _number(numbers[1])


@lru_cache(maxsize=4)  # what to ask a judge, and then the score, need the same segments one after the other
def parse_segments(text: str, profile: Profile) -> tuple[CaptionedSegment, ...]:
    """Return every "[start, end]: caption" of `text`; () if there is none.

    `strict` orders them by start, keeps colons, and puts start before end. `lmms-eval-0.7.2` leaves the order as
    written, reads whole numbers only, and ends a caption at any "[".
    """
    if profile != LMMS:
        return _strict_segments(text)
    return tuple(
        CaptionedSegment(_number(match[1]), _number(match[2]), _lmms_caption(match[3]))
        for match in _LMMS_SEGMENT.finditer(text)
    )


def _strict_segments(text: str) -> tuple[CaptionedSegment, ...]:
    matches = list(_STRICT_PAIR.finditer(text))
    found = []
    for number, match in enumerate(matches):
        end_of_caption = matches[number + 1].start() if number + 1 < len(matches) else len(text)
        caption = " ".join(text[match.end() : end_of_caption].split()).strip(" ,;-")
        start, end = sorted((_number(match[1]), _number(match[2])))
        found.append(CaptionedSegment(start, end, caption.removeprefix(":").strip()))
    return tuple(sorted(found, key=lambda segment: segment.start))


def _lmms_caption(text: str) -> str:
    text = text.replace(":", " ").replace("\nFrame ", "").strip()
    return text.removesuffix(",").strip().replace("\n", " ").strip()


def _letter_index(letter: str) -> int:
    return ord(letter) - ord("a")


def _bare(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _number(text: str) -> float:
    whole, _, fraction = text.partition(".")
    # Very long runs of digits are cut before conversion, which Python would refuse or spend long on.
    if len(whole.lstrip("0")) > len(str(_LARGEST)):
        return float(_LARGEST)
    return min(float(f"{whole}.{fraction[:17] or '0'}"), float(_LARGEST))
