"""CIDEr-D of a set of captions, by `pycocoevalcap`, the reference implementation, without its Java tokenizer.

Published numbers split captions with Stanford's PTBTokenizer (CoreNLP 3.4.1, in small letters) and leave punctuation
out. `caption_words` does the same for what captions hold; tests hold it to that tokenizer's output. Rare texts may
differ: abbreviations it does not list, unusual quotation marks, emoji. Knows no Sample.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from perceptlm.errors import UsageError

LARGEST = 10.0
"""CIDEr-D of a caption that equals every reference. Publications print a hundred times the mean over images."""
TOKENS = "like PTBTokenizer: small letters, clitics apart, no punctuation"

_TOKEN = re.compile(
    r"""
    \.{3} | --+
    | (?:[^\W\d_]\.){2,} | (?:mr|mrs|ms|dr|st|jr|sr|vs|etc|prof|mt|ave|inc|ltd|co)\.(?!\w) | \b[^\W\d_]\.(?=\s)
    | '\d{2}s?\b | '(?:tis|twas|s|re|ve|ll|d|m)\b | '[nN]'
    | \w+(?:(?:[-/.@&]|(?<=\d)[,:](?=\d)|'(?=[^\W\d]))\w+)*
    | [^\w\s]
    """,
    re.VERBOSE,
)
_CLITIC = re.compile(r"(?=n't$|'(?:s|re|ve|ll|d|m)$)")
_PAIRS = {
    "cannot": "can not", "gonna": "gon na", "wanna": "wan na", "gotta": "got ta", "gimme": "gim me",
    "lemme": "lem me", "y'all": "y' all", "'tis": "'t is", "'twas": "'t was",
}  # fmt: skip
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
"""Kept by the published tokens: only their capital forms are on the list of punctuation that is left out."""
_PUNCTUATION = frozenset(("'", '"', "`", ".", "?", "!", ",", ":", "-", "--", "...", ";", "–", "—", "---"))
_QUOTES = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "…": "..."})


def caption_words(text: str) -> list[str]:
    """Return the tokens of a caption."""
    words: list[str] = []
    for token in _TOKEN.findall(text.translate(_QUOTES).lower()):
        parts = [part for part in _CLITIC.split(_PAIRS.get(token, token)) if part]
        words += " ".join(parts).split()
    return [_BRACKETS.get(word, word) for word in words if word not in _PUNCTUATION]


def cider(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """Return CIDEr-D of every caption, from 0 to 10; their mean is CIDEr-D of the set.

    How much a word says is counted over the images of this call: give all of them. UsageError without the library.
    """
    if not predictions:
        return []
    try:
        from pycocoevalcap.cider.cider import Cider
    except ImportError as error:
        raise UsageError(
            "CIDEr needs pycocoevalcap",
            hint="install it with: pip install 'perceptlm[captions]', and run the same command again",
        ) from error
    told = {number: [" ".join(caption_words(text))] for number, text in enumerate(predictions)}
    known = {number: [" ".join(caption_words(text)) for text in texts] for number, texts in enumerate(references)}
    _, scores = Cider().compute_score(known, told)
    return [min(max(float(score), 0.0), LARGEST) for score in scores]
