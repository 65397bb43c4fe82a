"""Weather: snow, frost, fog, brightness."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from robbench_builders.corruptions.base import Corruption, Generators, Images, draws
from robbench_builders.corruptions.blur import along_lines, magnified

# Red, green and blue of grey, as in ITU-R BT.601.
GREY = np.array([0.299, 0.587, 0.114])


def snow(
    images: Images, generators: Generators, mean: float, std: float, zoom: float, threshold: float, radius: int, sigma: float, keep: float
) -> Images:
    """Whitened images, and flakes: magnified normal noise above a threshold, blurred along a line; once as it is and once turned by 180°.

    An image is whitened by ``keep · x + (1 − keep) · max(x, 1.5 · grey(x) + 0.5)``; images of other than three channels have their mean as grey.
    """
    _, channels, height, width = images.shape
    flakes = magnified(draws(generators, lambda generator: generator.normal(mean, std, (1, height, width))), zoom)
    flakes = np.floor(np.clip(np.where(flakes < threshold, 0, flakes), 0, 1) * 255) / 255
    flakes = along_lines(flakes, draws(generators, lambda generator: generator.uniform(-135, -45)), radius, sigma)
    weights = GREY if channels == 3 else np.full(channels, 1 / channels)
    grey = np.einsum("nchw,c->nhw", images, weights)[:, None]
    return np.asarray(keep * images + (1 - keep) * np.maximum(images, 1.5 * grey + 0.5) + flakes + flakes[..., ::-1, ::-1])


# Mean colour, and standard deviation within 32×32 pixels, of the authors' five photographs (two are the same), each at a fifth of its size.
FROSTS = (
    (0.30, 0.58, 0.65, 0.06),
    (0.79, 0.81, 0.84, 0.07),
    (0.79, 0.81, 0.84, 0.07),
    (0.56, 0.62, 0.67, 0.10),
    (0.41, 0.46, 0.50, 0.14),
)


def frost(images: Images, generators: Generators, keep: float, amount: float) -> Images:
    """``keep · x + amount · frost``, where frost is drawn, not photographed.

    The authors add crops of five photographs of frosted glass, which we don't have.  Ours are ridges of a rough plasma, like branching
    crystals, in the mean colour and with the contrast of one of those photographs, drawn at random; a crop's brightness varies as theirs does
    (a standard deviation of 0.05).  Images of other than three channels get the mean of the three.
    """
    _, channels, height, width = images.shape
    kinds = np.array(FROSTS)[draws(generators, lambda generator: generator.integers(len(FROSTS)))]
    colour = kinds[:, :3] if channels == 3 else np.repeat(kinds[:, :3].mean(1, keepdims=True), channels, 1)
    colour = colour + draws(generators, lambda generator: generator.normal(0, 0.05, 1))
    ridges = -np.abs(2 * plasma(generators, height, width, 1.4) - 1)
    ridges = (ridges - ridges.mean((1, 2), keepdims=True)) / ridges.std((1, 2), keepdims=True)
    crystals = colour[..., None, None] + kinds[:, 3, None, None, None] * ridges[:, None]
    return np.asarray(keep * images + amount * np.clip(crystals, 0, 1))


def fog(images: Images, generators: Generators, amount: float, decay: float) -> Images:
    """``(x + amount · plasma) · m / (m + amount)``, with m the image's brightest value."""
    brightest = images.max((1, 2, 3), keepdims=True)
    _, _, height, width = images.shape
    return np.asarray((images + amount * plasma(generators, height, width, decay)[:, None]) * brightest / (brightest + amount))


def plasma(generators: Generators, height: int, width: int, decay: float) -> npt.NDArray[np.float64]:
    """Clouds that tile, ``(n, height, width)``: the diamond-square algorithm (Fournier, Fussell and Carpenter, 1982), scaled to fill [0, 1].

    Made on the smallest square with a power of two a side, and cropped.  With each halving of the step, the noise added falls by decay².
    """
    side = 1 << (max(height, width) - 1).bit_length()
    noise = draws(generators, lambda generator: generator.uniform(-1, 1, side**2 - 1))
    heights = np.zeros((len(generators), side, side))
    step, wobble, drawn = side, 100.0**2, 0
    while step >= 2:
        half, points = step // 2, (side // step) ** 2
        squares, diamonds, edges = (
            wobble * noise[:, drawn + k * points :][:, :points].reshape(-1, side // step, side // step) for k in range(3)
        )
        corners = heights[:, ::step, ::step]
        above = corners + np.roll(corners, -1, 1)
        centres = (above + np.roll(above, -1, 2)) / 4 + squares
        heights[:, half::step, half::step] = centres
        heights[:, ::step, half::step] = (centres + np.roll(centres, 1, 1) + corners + np.roll(corners, -1, 2)) / 4 + diamonds
        heights[:, half::step, ::step] = (centres + np.roll(centres, 1, 2) + corners + np.roll(corners, -1, 1)) / 4 + edges
        step, wobble, drawn = half, wobble / decay**2, drawn + 3 * points
    heights -= heights.min((1, 2), keepdims=True)
    return np.asarray(heights / heights.max((1, 2), keepdims=True))[:, :height, :width]


def brightness(images: Images, generators: Generators, amount: float) -> Images:
    """The value of hue, saturation and value rises by this amount, up to 1.

    The value is the largest channel; with hue and saturation kept, all channels grow in proportion, and black becomes grey.
    """
    value = images.max(1, keepdims=True)
    raised = np.minimum(value + amount, 1)
    return np.asarray(np.where(value > 0, images * raised / np.where(value > 0, value, 1), raised))


WEATHER: dict[str, Corruption] = {
    "snow": Corruption(
        snow,
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
    ),
    "frost": Corruption(frost, ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))),
    "fog": Corruption(fog, ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))),
    "brightness": Corruption(brightness, ((0.05,), (0.1,), (0.15,), (0.2,), (0.3,))),
}
