"""How the VQA benchmarks make answers comparable before they are counted: punctuation, number words, articles.

The rule is that of visualqa.org (evaluation page and its Python tools) and, for TextVQA, of the EvalAI server, which
takes apart a little more first. Both are followed to their oddities, because answers of people were released after the
same treatment. Knows no question.
"""

from __future__ import annotations

import re

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
"""All but apostrophe, colon and full stop."""
_COMMA_IN_NUMBER = re.compile(r"\d,+\d")
_FULL_STOP = re.compile(r"\.(?!\d)")
_MOST_FULL_STOPS = 32
"""The public tools hand a flag (re.UNICODE, 32) to where the number of replacements stands."""
_NUMBERS = {
    "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10",
}  # fmt: skip
_ARTICLES = frozenset(("a", "an", "the"))
_CONTRACTED = (
    "ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd "
    "he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've "
    "needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've "
    "somebody'll somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll "
    "that's there'd there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've "
    "weren't what'll what're what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll "
    "why're why's won't would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've"
)


def _without_one_apostrophe(words: str) -> dict[str, str]:
    places = ((word, place) for word in words.split() for place, letter in enumerate(word) if letter == "'")
    return {word[:place] + word[place + 1 :]: word for word, place in places}


_CONTRACTIONS = _without_one_apostrophe(_CONTRACTED) | {"somebody'd": "somebodyd"}
"""A contraction that lacks one apostrophe -> the whole one; the last is the wrong way round in the public list."""


def one_line(text: str) -> str:
    """Return `text` with line breaks and tabs as blanks, and none around it."""
    return text.replace("\n", " ").replace("\t", " ").strip()


def vqa_words(text: str) -> str:
    """Return an answer as VQAv2 compares it: without punctuation and articles, numbers as digits, in small letters."""
    return _plain_words(_without_punctuation(text))


def evalai_words(text: str) -> str:
    """Return an answer as TextVQA compares it: commas, question marks and possessives first, then as VQAv2 does."""
    text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    return vqa_words(one_line(text))


def _without_punctuation(text: str) -> str:
    holds_number = _COMMA_IN_NUMBER.search(text) is not None
    found = text
    for mark in _MARKS:
        # Whether a mark leaves a blank is decided by the text as it was given, for all its places at once.
        leaves_nothing = holds_number or f"{mark} " in text or f" {mark}" in text
        found = found.replace(mark, "" if leaves_nothing else " ")
    return _FULL_STOP.sub("", found, count=_MOST_FULL_STOPS)


def _plain_words(text: str) -> str:
    words = (_NUMBERS.get(word, word) for word in text.lower().split())
    return " ".join(_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)
