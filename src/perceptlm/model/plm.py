"""PerceptionLM: vision encoder, projector and decoder joined by putting vision tokens at their placeholders.

The only input is a `Batch`. It knows nothing of tokenizers, files, optimisers or scheduling.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from perceptlm.batch import IGNORED_TARGET, Batch
from perceptlm.errors import LayoutError
from perceptlm.model.configuration import PLMConfig
from perceptlm.model.decoder import Decoder
from perceptlm.model.initialise import initialise
from perceptlm.model.kv_cache import KVCache, Memory
from perceptlm.model.projector import Projector
from perceptlm.model.segments import sight
from perceptlm.model.token_loss import each_token_loss, token_losses
from perceptlm.model.vision_encoder import VisionTransformer


@dataclass(frozen=True)
class Loss:
    """Negative log-likelihoods of supervised targets: divide `total` by `num_targets` for a mean.

    `total` is an fp32 scalar with a graph. `per_tag` and `per_tag_count` (number of tags,) hold the same sum and
    number split by `Batch.tags`, without a graph.
    """

    total: Tensor
    num_targets: int
    per_tag: Tensor
    per_tag_count: Tensor


@dataclass(frozen=True)
class PairwiseLoss:
    """The loss of a Batch, and of each of its pairs what the model makes of the two answers.

    `chosen` and `rejected` (pairs,) are summed log-probabilities of answers, in fp32 at least, with a graph.
    """

    loss: Loss
    chosen: Tensor
    rejected: Tensor


class PerceptionLM(nn.Module):
    """A vision-language model over Batches. Parameters are undefined until `initialise` or loaded weights."""

    def __init__(self, config: PLMConfig) -> None:
        super().__init__()
        self.config = config
        self.vision_encoder = VisionTransformer(config.vision)
        self.projector = Projector(config.vision.width, config.decoder.width, config.pooling_ratio)
        self.decoder = Decoder(config.decoder)
        self.always_looks = False
        """Whether a Batch without pictures runs vision encoder and projector all the same, on a grey picture of which
        nothing is added: processes that share out a model must all do the same work."""

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.decoder.embedding.device

    @property
    def activation_dtype(self) -> torch.dtype:
        """What products are computed in: autocast's dtype where that is on, else that of the parameters."""
        kind = self.device.type
        return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else self.decoder.embedding.dtype

    def initialise(self, seed: int) -> None:
        """Draw every parameter anew from streams named by seed and parameter."""
        initialise(self, self.config, seed)

    def encode(self, pictures: Tensor, draws: Tensor | None = None) -> Tensor:
        """Map (N, 3, S, S) pictures, normalised to [-1, 1], to vision tokens (N, tokens, D).

        One picture expanded to N (stride 0, as blind training shows it) is encoded once, with the first one's draws.
        """
        if len(pictures) > 1 and pictures.stride(0) == 0:
            first = None if draws is None else draws[:1]
            return self.encode(pictures[:1], first).expand(len(pictures), -1, -1)
        return self.project(self.encode_patches(pictures, draws))

    def encode_patches(self, pictures: Tensor, draws: Tensor | None = None) -> Tensor:
        """Map (N, 3, S, S) pictures, normalised to [-1, 1], to what the vision encoder makes of them (N, P, V)."""
        patches: Tensor = self.vision_encoder(pictures.to(self.vision_encoder.patch_weight.dtype), draws)
        return patches

    def project(self, patches: Tensor) -> Tensor:
        """Map the vision encoder's output (N, P, V) to vision tokens (N, tokens, D)."""
        tokens: Tensor = self.projector(patches)
        return tokens

    def forward(self, batch: Batch) -> Tensor:
        """Return logits (B, T, vocabulary)."""
        return self.decoder.logits(self.hidden(batch))

    def loss(self, batch: Batch) -> Loss:
        """Return the summed loss over supervised targets; logits are made only there."""
        hidden = self.hidden(batch)
        supervised = batch.targets != IGNORED_TARGET
        total, losses = token_losses(
            hidden[supervised], self.decoder.output_weight, batch.targets[supervised], self.activation_dtype
        )
        return _loss(batch, total, losses, batch.tag[supervised])

    def pairwise_loss(self, batch: Batch) -> PairwiseLoss:
        """Return the loss as `loss` does, and what there is to say of the pairs, which may be none.

        Logits are made only where something is learnt. The matrix that makes them must be frozen, unless there is no
        gradient.
        """
        hidden = self.hidden(batch)
        targets = batch.targets
        if batch.rejected_targets is not None:
            targets = targets.where(targets != IGNORED_TARGET, batch.rejected_targets)
        learnt = targets != IGNORED_TARGET
        losses = each_token_loss(hidden[learnt], self.decoder.output_weight, targets[learnt], self.activation_dtype)
        supervised = batch.targets[learnt] != IGNORED_TARGET
        own = losses[supervised]
        loss = _loss(batch, own.sum(), own.detach(), batch.tag[learnt][supervised])
        sums = losses.new_zeros(batch.num_pairs)
        if batch.pair is None:
            return PairwiseLoss(loss, sums, sums)
        pair = batch.pair[learnt]
        chosen, rejected = supervised & (pair >= 0), ~supervised
        return PairwiseLoss(
            loss,
            sums.index_add(0, pair[chosen], -losses[chosen]),
            sums.index_add(0, pair[rejected], -losses[rejected]),
        )

    def hidden(self, batch: Batch, *, vision_tokens: Tensor | None = None, cache: Memory | None = None) -> Tensor:
        """Return the decoder's normed hidden states (B, T, D).

        `vision_tokens` (N, tokens, D) stand in for encoding `batch.pictures`, and so do `batch.patches` for all but
        the projector; an empty `cache` keeps what the decoder has read. Raises LayoutError when placeholders and
        pictures disagree or a position is out of range.
        """
        batch.check(self.config.layout.tokens_per_picture)
        limit = self.config.decoder.max_positions
        if batch.positions.numel() and int(batch.positions.max()) >= limit:
            raise LayoutError(
                f"a sequence of {int(batch.positions.max()) + 1} tokens is longer than the model's {limit} positions",
                hint="use fewer frames or tiles, or a shorter text",
            )
        if vision_tokens is None and batch.num_pictures:
            draws = batch.path_draws
            vision_tokens = self.encode(batch.pictures, draws) if batch.patches is None else self.project(batch.patches)
        x = self._fuse(batch, vision_tokens)
        if vision_tokens is None and self.always_looks:
            x = x + 0 * self._look_at_grey().sum()
        hidden: Tensor = self.decoder(x, batch.positions, sight(batch, self.activation_dtype), cache)
        return hidden

    def read_on(self, token_ids: Tensor, cache: KVCache) -> Tensor:
        """Read more tokens (B, T) per row after what `cache` holds; return their hidden states (B, T, D).

        The caller then tells the cache how many of each row's tokens were not padding (`KVCache.advance`).
        """
        cache.make_room(token_ids.shape[1])
        hidden: Tensor = self.decoder(
            self.decoder.embed(token_ids), cache.positions(), cache.mask(self.activation_dtype), cache
        )
        return hidden

    def _look_at_grey(self) -> Tensor:
        size, encoder = self.config.vision.image_size, self.vision_encoder
        grey = torch.zeros(1, 3, size, size, device=self.device)
        return self.encode(grey, grey.new_ones(1, encoder.num_path_draws) if encoder.num_path_draws else None)

    def _fuse(self, batch: Batch, vision_tokens: Tensor | None) -> Tensor:
        """Return embeddings (B, T, D) with vision tokens at the placeholders, in row-major order."""
        embedded = self.decoder.embed(batch.input_ids)
        if vision_tokens is None:
            return embedded
        places = (batch.input_ids == self.config.image_token_id).flatten().nonzero()[:, 0]
        features = vision_tokens.flatten(0, 1).to(embedded.dtype)
        if len(places) != len(features):
            raise LayoutError(f"{len(places)} image placeholders but {len(features)} vision tokens")
        return embedded.flatten(0, 1).index_copy(0, places, features).view_as(embedded)


def _loss(batch: Batch, total: Tensor, losses: Tensor, tags: Tensor) -> Loss:
    """Return the Loss of supervised targets with these losses and tags (S,)."""
    return Loss(
        total=total,
        num_targets=len(losses),
        per_tag=losses.new_zeros(len(batch.tags)).index_add(0, tags, losses),
        per_tag_count=torch.bincount(tags, minlength=len(batch.tags)),
    )
