"""A tiny model with random weights on disk, and files of the kinds that people have."""

from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from quiet_server import QuietServer, running

from perceptlm.media.write_video import write_video

FRAMES = np.random.default_rng(0).integers(0, 256, (6, 48, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def random_model(tmp_path_factory) -> Path:
    """A model directory; it holds 600 tokens and shows 4 frames."""
    # Imported here, so that tests that need no model load no torch.
    from perceptlm.model import PerceptionLM
    from perceptlm.model.presets import tiny
    from perceptlm.preprocess.processor import Processor, ProcessorConfig
    from perceptlm.preprocess.tokenizer import train_tokenizer
    from perceptlm.pretrained import save_pretrained

    tokenizer = train_tokenizer(["What does it do? It stops."] * 9, 300)
    made = PerceptionLM(tiny(tokenizer.vocab_size, tokenizer.special_id("<|image|>")))
    made.initialise(0)
    settings = ProcessorConfig(layout=made.config.layout, num_frames=4, max_tiles=4, max_tokens=600)
    directory = tmp_path_factory.mktemp("models") / "random"
    save_pretrained(directory, made, Processor(settings, tokenizer))
    return directory


@pytest.fixture(scope="session")
def own_weights(random_model, tmp_path_factory) -> tuple[Path, Path]:
    """The smallest Perception Encoder's checkpoint and a Llama's directory, of random weights."""
    import json

    import torch
    from safetensors.torch import save_file

    from perceptlm.model.decoder import Decoder
    from perceptlm.model.perception_encoders import PERCEPTION_ENCODERS
    from perceptlm.model.vision_encoder import VisionTransformer
    from perceptlm.model.weights import decoder_layouts, hf_config, vision_layouts
    from perceptlm.model.weights.rules import write_tensors
    from perceptlm.pretrained import read_config

    folder = tmp_path_factory.mktemp("weights")
    vision = PERCEPTION_ENCODERS["PE-Core-T16-384"]
    torch.save(
        write_tensors(vision_layouts.original_layout(vision), VisionTransformer(vision).state_dict()), folder / "pe.pt"
    )
    decoder = read_config(random_model).decoder
    (folder / "llama").mkdir()
    tensors = write_tensors(decoder_layouts.transformers_layout(decoder), Decoder(decoder).state_dict())
    save_file(tensors, folder / "llama" / "model.safetensors")
    (folder / "llama" / "config.json").write_text(json.dumps(hf_config.decoder_to_json(decoder)))
    (folder / "llama" / "tokenizer.json").write_text((random_model / "tokenizer.json").read_text())
    return folder / "pe.pt", folder / "llama"


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    """A short clip and its first picture in several formats, and a file that is neither."""
    pictures = [Image.fromarray(frame) for frame in FRAMES]
    made = {name: tmp_path / name for name in ("clip.mp4", "clip.gif", "still.jpg", "still.png", "broken.mp4")}
    write_video(made["clip.mp4"], FRAMES, 8)
    pictures[0].save(made["clip.gif"], save_all=True, append_images=pictures[1:], duration=100)
    for name in ("still.jpg", "still.png"):
        pictures[0].save(made[name])
    made["broken.mp4"].write_bytes(b"not a video")
    return made


@pytest.fixture(scope="session")
def annotated(tmp_path_factory):
    """The data directory of an annotation server with the owner `own`, the project `p`, and what can be revoked."""
    from perceptlm.annotate.directory import DataDirectory
    from perceptlm.annotate.services.callers import Caller
    from perceptlm.annotate.services.projects import create_project, set_member
    from perceptlm.annotate.services.server import open_server
    from perceptlm.annotate.services.setup import add_first_owner, add_key, add_user
    from perceptlm.annotate.services.users import add_credential
    from perceptlm.annotate.store.audit import Actor

    folder = tmp_path_factory.mktemp("annotated") / "data"
    server = open_server(DataDirectory.create(folder))
    owner = Actor.user(add_first_owner(server, "own", "correct horse battery"))
    expert = add_user(server, "left", "correct horse battery")

    def fill(session):
        project = create_project(session, owner, "p", "P", "plain", "blind_first")
        set_member(session, Caller(owner.user_id), project, "left", "expert")
        add_credential(session, owner, expert, "general", "md", "a" * 64, 2**52)

    server.database.write(fill)
    add_key(server, "own", "p", "import", ["items.create"], 1)
    server.close()
    return folder


class _NeedsNothing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"items": [], "next": null}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def needing_nothing():
    """The address of an annotation service whose items want nothing from models."""
    server = QuietServer(_NeedsNothing)
    with running(server):
        yield server.url.removesuffix("/v1")
