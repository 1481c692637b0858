"""Peak memory of one question about one image of 36 tiles, beside the weights and the bytes that its tokens must take.

    python benchmarks/inference_memory.py [--preset plm_1b] [--device cuda] [--dtype bfloat16] [--tiles 36] [--json]

Weights are random; the picture is noise of a size that takes every tile. The bound: weights, keys and values of all
tokens, and 1 GiB for everything else. On a CPU only what goes beyond the making of the weights is seen.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import torch

from perceptlm.batch import Batch
from perceptlm.model.generation import Sampling, continue_batch
from perceptlm.model.plm import PerceptionLM
from perceptlm.model.presets import PRESETS
from perceptlm.preprocess.packing import normalise
from perceptlm.pretrained import DTYPES
from perceptlm.train.stage import peak_memory_bytes

ROOM = 2**30
_NUM_TEXT = 200


def question(model: PerceptionLM, num_pictures: int) -> Batch:
    """Return a batch of one prompt: pictures of noise, then text."""
    config = model.config
    size, image = config.vision.image_size, config.image_token_id
    random = np.random.default_rng(0)
    num_image = num_pictures * config.layout.tokens_per_picture
    text = torch.from_numpy(random.integers(10, 300, _NUM_TEXT))
    ids = torch.cat([torch.full((num_image,), image), torch.where(text == image, 9, text)])[None]
    zeros = torch.zeros_like(ids)
    pictures = random.integers(0, 256, (num_pictures, 3, size, size), dtype=np.uint8)
    return Batch(
        input_ids=ids,
        targets=torch.full_like(ids, -100),
        positions=torch.arange(ids.shape[1])[None],
        group=zeros,
        branch=zeros,
        tag=zeros,
        pictures=normalise(pictures),
        image_token_id=image,
        tags=(),
        ids=(("question",),),
        pictures_per_group=(num_pictures,),
    )


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, answer, print; 1 if the bound is not kept."""
    parser = argparse.ArgumentParser(description="Peak memory of one question about an image of many tiles.")
    parser.add_argument("--preset", default="plm_1b", choices=sorted(PRESETS))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="bfloat16", choices=sorted(DTYPES))
    parser.add_argument("--tiles", type=int, default=36)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    dtype, on_gpu = DTYPES[options.dtype], options.device.startswith("cuda")
    config = PRESETS[options.preset](128256, 128002)
    with torch.device("meta"):
        model = PerceptionLM(config)
    model = model.to(dtype).to_empty(device=options.device).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.02)
    weights = sum(parameter.nbytes for parameter in model.parameters())
    batch = question(model, 1 + options.tiles).to(options.device)
    before = 0 if on_gpu else peak_memory_bytes()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    with torch.no_grad():
        (answer,) = continue_batch(model, batch, [Sampling(4, 0.0, 0, "question")], ())
    peak = torch.cuda.max_memory_allocated() if on_gpu else weights + peak_memory_bytes() - before
    decoder, num_tokens = config.decoder, batch.input_ids.shape[1]
    cached = 2 * decoder.num_layers * decoder.num_kv_heads * decoder.head_dim * num_tokens * dtype.itemsize
    bound = weights + cached + ROOM
    found = {
        "num_tokens": num_tokens,
        "num_answered": len(answer.token_ids),
        "weights_bytes": weights,
        "keys_and_values_bytes": cached,
        "peak_bytes": peak,
        "ratio_to_weights": round(peak / weights, 3),
        "ratio_to_bound": round(peak / bound, 3),
    }
    print(json.dumps(found) if options.json else "\n".join(f"{name:<22}{value:>18,}" for name, value in found.items()))
    return int(peak > bound)


if __name__ == "__main__":
    raise SystemExit(main())
