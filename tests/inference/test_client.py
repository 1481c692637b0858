from dataclasses import replace

import numpy as np
import pytest

from perceptlm.clients.protocol import GenerationClient, GenerationRequest, MediaInput
from perceptlm.inference import LocalClient
from perceptlm.model import PerceptionLM
from perceptlm.schema import Turn


def request(number: int, *, text: str | None = None, clip: int | None = 0, num_frames: int = 4, **settings):
    media = ()
    if clip is not None:
        frames = np.random.default_rng(clip).integers(0, 256, (num_frames, 20, 30, 3), dtype=np.uint8)
        media = (MediaInput("video", tuple(frames)),)
    turns = (Turn(role="user", text=text or "What does the circle do? " * (1 + number % 3)),)
    return GenerationRequest(f"q{number}", turns, media, **{"max_new_tokens": 7} | settings)


def pictured(number, *sizes, text="What is it?"):
    """A question about images of `sizes` (width, height): one is shown by as many tiles as suit it."""
    random = np.random.default_rng(number % 3)
    media = [MediaInput("image", (random.integers(0, 256, (h, w, 3), dtype=np.uint8),)) for w, h in sizes]
    return GenerationRequest(f"q{number}", (Turn(role="user", text=text),), tuple(media), 7)


@pytest.fixture
def requests():
    return [
        request(0, clip=0), request(1, clip=0), request(2, clip=1, num_frames=2), request(3, clip=None),
        request(4, clip=0, temperature=1.0, seed=3), request(5, clip=1, max_new_tokens=2), request(6, clip=2),
        request(7, clip=None, temperature=0.7), pictured(8, (16, 16)), pictured(9, (40, 20)),
        pictured(10, (20, 20), (30, 9)), pictured(11, (20, 20), (30, 9), text="Is <image> as <image>?"),
        pictured(12, (20, 20), (30, 9), text="<image> or <image>?"),
    ]  # fmt: skip


def test_batched_equals_single_in_request_order(loaded, requests):
    alone = list(LocalClient(loaded, batch_size=1).generate(requests))
    assert [result.id for result in alone] == [r.id for r in requests]
    assert len({result.text for result in alone}) > 8
    prompts = [loaded.processor.prompt(r) for r in requests]
    assert len({len(prompt.pictures) for prompt in prompts}) > 3
    for batch_size in (3, 8):
        assert list(LocalClient(loaded, batch_size=batch_size).generate(requests)) == alone
    assert list(LocalClient(loaded).generate(requests[4:5])) == alone[4:5]


def test_it_is_a_client_with_an_identity(loaded):
    client = LocalClient(loaded, licence="Apache-2.0")
    assert isinstance(client, GenerationClient)
    assert client.identity.revision == loaded.revision()
    assert client.identity.licence == "Apache-2.0"
    assert LocalClient(loaded, blind="zero").identity.name != client.identity.name


def test_results_say_how_long_and_why(loaded):
    (result,) = LocalClient(loaded).generate([request(0, max_new_tokens=2)])
    assert result.num_prompt_tokens == loaded.processor.prompt(request(0)).num_tokens
    assert result.finish_reason in ("stop", "length")
    assert result.num_new_tokens <= 2


def test_shared_pictures_are_encoded_once(loaded, monkeypatch):
    sizes = []
    encode = PerceptionLM.encode
    monkeypatch.setattr(PerceptionLM, "encode", lambda self, p, *draws: sizes.append(len(p)) or encode(self, p, *draws))
    list(LocalClient(loaded, batch_size=2).generate([request(k, clip=k % 2) for k in range(6)]))
    assert sizes == [4, 4]


def test_prefixes_are_read_once_over_calls_and_answers_stay_the_same(loaded, requests, monkeypatch):
    expected = [result for r in requests for result in LocalClient(loaded).generate([r])]
    reads = []
    read = LocalClient._read
    monkeypatch.setattr(LocalClient, "_read", lambda self, example: reads.append(example) or read(self, example))
    client = LocalClient(loaded, batch_size=3)
    for _ in range(2):
        assert list(client.generate(requests)) == expected
    assert len(reads) == 10
    # Equal pictures in other objects are recognised; another number of frames, or another system text, is not equal.
    again = [request(8, clip=0), request(9, clip=0, num_frames=3)]
    system = Turn(role="system", text="Speak.")
    again.append(replace(requests[0], turns=(system, *requests[0].turns)))
    list(client.generate(again))
    assert len(reads) == 12


def test_little_memory_for_prefixes_changes_no_answer(loaded, requests, monkeypatch):
    expected = list(LocalClient(loaded).generate(requests))
    monkeypatch.setattr("perceptlm.inference.client._PREFIX_BYTES", 1)
    assert list(LocalClient(loaded).generate(requests * 2)) == expected * 2


def test_a_shared_prefix_does_not_hide_a_question_that_is_too_long_or_no_conversation(loaded):
    client = LocalClient(loaded)
    list(client.generate([request(0)]))
    answer_first = replace(request(2), turns=(Turn(role="assistant", text="Hello."),))
    long, wrong = client.generate([request(1, text="circle " * 900), answer_first])
    assert "but a prompt has 1 to 400" in long.error
    assert "end with the user" in wrong.error


def test_blind_answers_do_not_depend_on_the_pictures(loaded):
    blind = LocalClient(loaded, blind="zero")
    first, second = ([r.text for r in blind.generate([request(0, clip=c, max_new_tokens=20)])] for c in (0, 5))
    seen = [r.text for r in LocalClient(loaded).generate([request(0, clip=0, max_new_tokens=20)])]
    assert first == second != seen


def test_a_request_that_does_not_fit_is_answered_with_the_reason(loaded):
    long = request(1, text="circle " * 900)
    results = list(LocalClient(loaded).generate([request(0), long, request(2)]))
    assert [r.finish_reason == "error" for r in results] == [False, True, False]
    assert "q1" in results[1].error
    assert results[1].text == ""


def test_progress_is_told_and_training_mode_restored(loaded):
    told = []
    client = LocalClient(loaded, batch_size=2, on_progress=lambda done, total: told.append((done, total)))
    loaded.model.train()
    try:
        list(client.generate([request(k) for k in range(5)]))
        assert loaded.model.training
    finally:
        loaded.model.eval()
    assert told == [(2, 5), (4, 5), (5, 5)]


def test_no_requests_no_results(loaded):
    assert list(LocalClient(loaded).generate([])) == []


def test_images_within_the_text_are_shared_only_with_the_same_text(loaded, monkeypatch):
    sizes = []
    encode = PerceptionLM.encode
    monkeypatch.setattr(PerceptionLM, "encode", lambda self, p, *draws: sizes.append(len(p)) or encode(self, p, *draws))
    texts = ["Is <image> as <image>?", "Is <image> as <image>?", "Is <image> not as <image>?", "Is it?"]
    asked = [replace(pictured(1, (20, 20), (30, 9), text=text), id=f"q{n}") for n, text in enumerate(texts)]
    together = [result.text for result in LocalClient(loaded).generate(asked)]
    assert sizes == [2, 2, 2]
    assert together == [next(iter(LocalClient(loaded).generate([one]))).text for one in asked]
    assert together[0] == together[1]
    assert len(set(together)) == 3
