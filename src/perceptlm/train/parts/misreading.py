"""How the vectors that are found in pictures differ from those that should be: measured, and drawn for lessons.

An encoder and a regression do not misread one word here and another there: what is unsure is drawn towards the mean,
and errors go together. A thing is misread much alike in all its cells, and alike in frames in which it looks alike: one
that rests does not seem to move. A linear map, two covariances and a length say nearly all of it (docs/reports/0005,
0006). So a decoder that has seen no pixel learns what vision tokens are to be trusted for. NumPy only: lessons are made
without torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

COVERS = (0.0, 0.01, 0.03, 0.07, 0.15, 0.25, 0.4, 0.65, 1.0)
"""Shares of a cell that things cover, at which the size of errors is measured."""
_LENGTHS = np.geomspace(0.05, 5.0, 60)
_RIDGE = 1.0
_LEAST_COVER = 0.02
"""Below it a cell tells too little of a thing to say how its errors go together."""


@dataclass(frozen=True)
class Misreading:
    """What is found of an ideal vector: `map` (D, D) of it, `offset` (D), and errors, of `sizes` (covers) at COVERS.

    `factors` F (2, D, D) give covariances F F^T of the errors that a thing has in all its cells alike, and in each
    cell. Those of two frames correlate by exp(-d / `length`), d being how much the thing's own vectors differ there,
    relative to their size.
    """

    map: Floats
    offset: Floats
    sizes: Floats
    factors: Floats
    length: Floats

    def draw(self, ideal: Floats, shares: Floats, things: Floats, rng: np.random.Generator) -> Floats:
        """Return what is found of `ideal` vectors (F, cells, D).

        There, `things` (F, things, D) cover `shares` (F, things, cells).
        """
        num_frames, num_cells, width = ideal.shape
        alike = np.exp(-_distances(things) / self.length) + 1e-4 * np.eye(num_frames)
        mixed = np.linalg.cholesky(alike).astype(np.float32)
        main, frame = shares.argmax(axis=1), np.arange(num_frames)[:, None]
        whole = mixed @ (rng.standard_normal((len(mixed), num_frames, width), np.float32) @ self.factors[0].T)
        single = rng.standard_normal((num_cells, num_frames, width), np.float32) @ self.factors[1].T
        error = whole[main, frame] + np.einsum("fcg,cgd->fcd", mixed[main, frame], single)
        size = np.interp(shares.sum(axis=1), COVERS, self.sizes).astype(np.float32)
        return np.asarray(ideal @ self.map + self.offset + size[..., None] * error, np.float32)

    def to_bytes(self) -> bytes:
        """Return what `read_misreading` reads."""
        return save({name: value.astype(np.float16) for name, value in vars(self).items()})


def read_misreading(path: Path) -> Misreading:
    """Read what was measured of an encoder and a projector."""
    return Misreading(**{name: value.astype(np.float32) for name, value in load_file(path).items()})


def measure_misreading(found: Floats, ideal: Floats, shares: Floats, things: Floats) -> Misreading:
    """Measure on clips: vectors `found` and `ideal` (clips, F, cells, D) where `things` (clips, F, things, D) cover
    `shares` (clips, F, things, cells)."""
    width = found.shape[-1]
    x, y = ideal.reshape(-1, width).astype(np.float64), found.reshape(-1, width).astype(np.float64)
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    centred = x - mean_x
    mapped = np.linalg.solve(centred.T @ centred + _RIDGE * np.eye(width), centred.T @ (y - mean_y))
    offset = mean_y - mean_x @ mapped
    errors = (y - x @ mapped - offset).reshape(found.shape)
    cover, main = shares.sum(axis=2), shares.argmax(axis=2)
    sizes = _sizes(np.sqrt((errors**2).mean(axis=-1)), cover)
    errors /= np.interp(cover, COVERS, sizes)[..., None]
    errors[cover < _LEAST_COVER] = 0
    whole, both = _covariances(errors, main)
    factors = np.stack([_factor(whole), _factor(both - whole)])
    length = np.array([_length(errors, main, things)])
    return Misreading(*(np.asarray(value, np.float32) for value in (mapped, offset, sizes, factors, length)))


def _distances(things: Floats) -> Doubles:
    """Return how much things' vectors (F, things, D) differ between frames, relative to their size, (things, F, F)."""
    own = things.transpose(1, 0, 2).astype(np.float64)
    apart = ((own[:, :, None] - own[:, None]) ** 2).sum(axis=-1)
    size = (own**2).sum(axis=-1).mean(axis=1)[:, None, None] + 1e-6
    return np.asarray(np.sqrt(apart / size))


def _sizes(errors: Doubles, cover: NDArray[np.floating]) -> Doubles:
    """Return the root mean square of `errors` near each of COVERS."""
    edges = [-1.0, *((low + high) / 2 for low, high in pairwise(COVERS)), 2.0]
    near = np.digitize(cover.ravel(), edges) - 1
    squares, counts = (np.bincount(near, weights, minlength=len(COVERS)) for weights in (errors.ravel() ** 2, None))
    return np.asarray(np.sqrt(squares / np.maximum(counts, 1)) + 1e-6)


def _covariances(errors: Doubles, main: NDArray[np.integer]) -> tuple[Doubles, Doubles]:
    """Return the covariances of errors (clips, F, cells, D) of a thing in two cells of a frame, and in one."""
    width = errors.shape[-1]
    told = errors.any(axis=-1)
    same = errors[told].T @ errors[told]
    pairs, num_pairs = np.zeros((width, width)), 0
    for thing in range(int(main.max()) + 1):
        own = told & (main == thing)
        counts = own.sum(axis=-1)
        sums = np.where(own[..., None], errors, 0).sum(axis=2).reshape(-1, width)
        pairs += sums.T @ sums
        num_pairs += int((counts**2).sum())
    return (pairs - same) / max(num_pairs - int(told.sum()), 1), same / max(int(told.sum()), 1)


def _length(errors: Doubles, main: NDArray[np.integer], things: Floats) -> float:
    """Return the length over which errors of one cell and thing fall off, by least squares over pairs of frames."""
    products, distances = [], []
    for clip_errors, clip_main, clip_things in zip(errors, main, things, strict=True):
        apart = _distances(clip_things)
        for cell in range(clip_errors.shape[1]):
            one, other = np.triu_indices(len(clip_errors), 1)
            thing = clip_main[:, cell]
            same = (thing[one] == thing[other]) & clip_errors[one, cell].any(1) & clip_errors[other, cell].any(1)
            one, other = one[same], other[same]
            products.append(np.einsum("pd,pd->p", clip_errors[one, cell], clip_errors[other, cell]))
            distances.append(apart[thing[one], one, other])
    told = errors[errors.any(axis=-1)]
    product, distance, full = np.concatenate(products), np.concatenate(distances), float((told**2).sum(-1).mean())
    misfits = [float(((product - full * np.exp(-distance / length)) ** 2).sum()) for length in _LENGTHS]
    return float(_LENGTHS[int(np.argmin(misfits))])


def _factor(covariance: Doubles) -> Doubles:
    """Return F with F F^T the nearest covariance to a symmetric matrix that may not be one."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0)))
