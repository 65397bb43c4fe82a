"""Noise: Gaussian, shot, impulse; independent for every pixel of every channel."""

from __future__ import annotations

import numpy as np

from robbench_builders.corruptions.base import Corruption, Generators, Images, draws


def gaussian_noise(images: Images, generators: Generators, sigma: float) -> Images:
    """``x + σ · N(0, 1)``."""
    return images + sigma * draws(generators, lambda generator: generator.standard_normal(images.shape[1:]))


def shot_noise(images: Images, generators: Generators, photons: float) -> Images:
    """``Poisson(photons · x) / photons``: a white pixel receives that many photons on average."""
    counts = [generator.poisson(photons * image) for generator, image in zip(generators, images, strict=True)]
    return np.asarray(counts, np.float64) / photons


def impulse_noise(images: Images, generators: Generators, amount: float) -> Images:
    """Salt and pepper: this share of the pixels becomes 0 or 1, either with probability ½."""
    hit, white = draws(generators, lambda generator: generator.random((2, *images.shape[1:]))).swapaxes(0, 1)
    return np.where(hit < amount, white < 0.5, images)


NOISE: dict[str, Corruption] = {
    "gaussian_noise": Corruption(gaussian_noise, ((0.04,), (0.06,), (0.08,), (0.09,), (0.10,))),
    "shot_noise": Corruption(shot_noise, ((500,), (250,), (100,), (75,), (50,))),
    "impulse_noise": Corruption(impulse_noise, ((0.01,), (0.02,), (0.03,), (0.05,), (0.07,))),
}
