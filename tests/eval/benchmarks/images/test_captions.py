"""CIDEr-D of captions: against values worked out by hand, and the tokens of the published tokenizer."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from perceptlm.errors import UsageError
from perceptlm.eval.benchmarks.images.captions import caption_words, cider

# What Stanford's PTBTokenizer (CoreNLP 3.4.1, -lowerCase -preserveLines) makes of them, without its punctuation.
TOKENS = [
    ("A man riding a wave on top of a surfboard.", "a man riding a wave on top of a surfboard"),
    ("A black-and-white photo; it isn't happy!", "a black-and-white photo it is n't happy"),
    ("The man's hat (red) is on the table's edge...", "the man 's hat -lrb- red -rrb- is on the table 's edge"),
    ("Two kids can't decide: pizza or pasta?", "two kids ca n't decide pizza or pasta"),
    ('A stop sign that says "STOP" in red/white letters.', "a stop sign that says stop in red/white letters"),
    ("A cat & a dog don't fight - they're asleep -- I'd say.", "a cat & a dog do n't fight they 're asleep i 'd say"),
    ("A bus #12 at 3:30 p.m. on U.S. Route 66.", "a bus # 12 at 3:30 p.m. on u.s. route 66"),
    ("A $5 sign, 50% off 1,000 items.", "a $ 5 sign 50 % off 1,000 items"),
    ("Mr. Smith and Dr. Jones at St. Mary's church", "mr. smith and dr. jones at st. mary 's church"),
    ("cannot gonna wanna gotta", "can not gon na wan na got ta"),
    ("It's a close-up of the dogs' bowl.", "it 's a close-up of the dogs bowl"),
    ("A T-shirt w/ a logo", "a t-shirt w / a logo"),
    ("Man 's hat .", "man 's hat"),
    ("the 1920's car with '57 plates", "the 1920 's car with '57 plates"),
    ("A plate of food…with an “egg” and a ‘bun’", "a plate of food with an egg and a bun"),
    ("A 3.5 inch by 10-inch pan @ home", "a 3.5 inch by 10-inch pan @ home"),
    ("  A   man  with spaces  ", "a man with spaces"),
    ("A man.Another man", "a man.another man"),
    ("rock 'n' roll band", "rock 'n' roll band"),
    ("o'clock y'all ain't", "o'clock y' all ai n't"),
    ("A vase* of flowers [yellow] {blue}", "a vase * of flowers -lsb- yellow -rsb- -lcb- blue -rcb-"),
    ("'tis the season", "'t is the season"),
    ("A man who is on a cell phone,walking", "a man who is on a cell phone walking"),
    ("café naïve jalapeño", "café naïve jalapeño"),
    ("a b. c", "a b. c"),
    ("people at a table with food etc.", "people at a table with food etc."),
    ("A 6'2\" man", "a 6 2 man"),
]  # fmt: skip


@pytest.mark.parametrize(("caption", "expected"), TOKENS)
def test_captions_are_split_as_published(caption: str, expected: str) -> None:
    assert " ".join(caption_words(caption)) == expected


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("java") is None, reason="the published tokenizer needs Java")
def test_the_recorded_tokens_are_the_published_tokenizers(tmp_path: Path) -> None:
    from pycocoevalcap.tokenizer.ptbtokenizer import PUNCTUATIONS, STANFORD_CORENLP_3_4_1_JAR
    from pycocoevalcap.tokenizer.ptbtokenizer import __file__ as place

    file = tmp_path / "captions.txt"
    file.write_text("\n".join(caption for caption, _ in TOKENS) + "\n", encoding="utf-8")
    program = ["java", "-Dfile.encoding=UTF-8", "-cp", str(Path(place).parent / STANFORD_CORENLP_3_4_1_JAR)]
    program += ["edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase", str(file)]
    lines = subprocess.run(program, capture_output=True, check=True).stdout.decode().split("\n")
    found = [" ".join(word for word in line.split(" ") if word and word not in PUNCTUATIONS) for line in lines]
    assert found[: len(TOKENS)] == [expected for _, expected in TOKENS]


def test_cider_of_two_images_by_hand() -> None:
    """Of two images, a word of one image's references weighs log 2, one of both weighs nothing.

    Image 1: "red bus" told for "red bus": one-grams 1, two-grams 1, no longer ones: 10 x (1 + 1 + 0 + 0) / 4 = 5.
    Image 2: "dog" told for "dog runs": one-gram cosine 1 / sqrt 2, and a Gaussian of one word's difference, sigma 6:
    exp(-1 / 72); nothing else is shared: 10 x exp(-1 / 72) / sqrt 2 / 4.
    """
    first, second = cider(["Red bus.", "dog"], [["red bus"], ["dog runs"]])
    assert first == pytest.approx(5.0)
    assert second == pytest.approx(10 * math.exp(-1 / 72) / math.sqrt(2) / 4)


def test_cider_is_clipped_so_that_repeating_does_not_pay() -> None:
    once, twice = (cider([text, "cat"], [["dog"], ["cat"]])[0] for text in ("dog", "dog dog"))
    assert once == pytest.approx(2.5)
    # CIDEr-D: min(2, 1) x 1 / (2 x 1) of the cosine, and the penalty of one word's difference.
    assert twice == pytest.approx(2.5 * 0.5 * math.exp(-1 / 72))


def test_words_of_every_image_and_empty_captions_say_nothing() -> None:
    assert cider(["a cat", ""], [["a cat"], ["a cat"]]) == [0.0, 0.0]
    assert cider(["a cat"], [["a cat"]]) == [0.0]
    assert cider([], []) == []


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycocoevalcap.cider.cider", None)
    with pytest.raises(UsageError, match="pycocoevalcap") as caught:
        cider(["a"], [["a"]])
    assert "perceptlm[captions]" in str(caught.value.hint)


def test_without_captions_the_library_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycocoevalcap.cider.cider", None)
    assert cider([], []) == []
