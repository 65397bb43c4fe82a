"""Blur: defocus, glass, motion, zoom.

All kernels are as wide as the authors', in pixels; only motion's, 13 to 19 pixels long, are cut at the image's shorter side.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from robbench_builders.corruptions.base import Corruption, Generators, Images, draws, levels, truncated_levels

AUTHORS_SIDE = 32


def defocus_blur(images: Images, generators: Generators, radius: float, alias_blur: float) -> Images:
    """Convolution with a disk of this radius, its edge softened by a 3×3 Gaussian of standard deviation alias_blur; edges are mirrored."""
    from scipy.ndimage import convolve

    # Wide enough for the largest radius, 1.5, and its soft edge.
    y, x = np.mgrid[-2:3, -2:3]
    disk = (x**2 + y**2 <= radius**2).astype(np.float64)
    soft = np.exp(-np.array([1, 0, 1]) / (2 * alias_blur**2))
    kernel = convolve(disk, np.outer(soft, soft), mode="constant")
    return np.asarray(convolve(images, (kernel / kernel.sum())[None, None], mode="mirror"))


def glass_blur(images: Images, generators: Generators, sigma: float, iterations: int) -> Images:
    """A Gaussian blur, then each inner pixel takes the value of itself or of its upper, left, or upper left neighbour, then the blur again.

    The paper swaps neighbours.  The authors' code means to, but both sides of its assignment are views of one array, so a pixel takes its
    neighbour's value and the neighbour keeps it; the published images are made so, and so are these.
    """
    _, channels, height, width = images.shape
    blurred = truncated_levels(_gaussian(images, sigma)) / 255
    moves = draws(generators, lambda generator: generator.integers(-1, 1, (iterations, 2, height - 2, width - 2)))
    image, channel = np.ogrid[: len(images), :channels]
    inner = np.ogrid[2:height, 2:width]
    # The authors go from the last pixel to the first, so what a pixel takes has not changed yet: all can be moved at once.
    for dx, dy in moves.swapaxes(0, 1).swapaxes(1, 2):
        blurred[:, :, 2:, 2:] = blurred[
            image[..., None, None], channel[..., None, None], (inner[0] + dy)[:, None], (inner[1] + dx)[:, None]
        ]
    return _gaussian(blurred, sigma)


def _gaussian(images: Images, sigma: float) -> Images:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(images, (0, 0, sigma, sigma), mode="nearest"))


def motion_blur(images: Images, generators: Generators, radius: int, sigma: float) -> Images:
    """Blur along a line, at an angle drawn uniformly between −45° and 45°."""
    return along_lines(images, draws(generators, lambda generator: generator.uniform(-45, 45)), radius, sigma)


def along_lines(images: Images, degrees: npt.NDArray[np.float64], radius: int, sigma: float) -> Images:
    """Each image blurred along a line of its own, as ImageMagick does it, in whole grey levels.

    The kernel is one-sided: 2·radius + 1 whole-pixel steps along the line, weighted by a Gaussian of the number of steps; edges are
    continued.  Where the image has fewer pixels a side than the kernel steps, the last steps are left out.

    Arguments:
        degrees: ``(n,)``.
    """
    n, channels, height, width = images.shape
    steps = np.arange(min(2 * radius + 1, height, width))
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    angles = np.deg2rad(degrees)[:, None]
    right, down = (np.ceil(steps * along - 0.5).astype(np.int64) for along in (np.cos(angles), np.sin(angles)))
    image, channel = np.ogrid[:n, :channels]
    total = np.zeros_like(images)
    for step, weight in enumerate(weights / weights.sum()):
        y = np.clip(np.arange(height) + down[:, step, None], 0, height - 1)
        x = np.clip(np.arange(width) + right[:, step, None], 0, width - 1)
        total += weight * images[image[..., None, None], channel[..., None, None], y[:, None, :, None], x[:, None, None, :]]
    return levels(total)


def zoom_blur(images: Images, generators: Generators, largest: float) -> Images:
    """The mean of the image and of its centre magnified by 1, 1.01, 1.02, … up to this factor."""
    # The end is the authors': rounding lets np.arange reach it at some severities and not at others.
    factors = np.arange(1, largest, 0.01)
    exact = min(images.shape[2:]) < AUTHORS_SIDE
    return np.asarray((images + sum(magnified(images, factor, exact=exact) for factor in factors)) / (len(factors) + 1))


def magnified(images: Images, factor: float, *, exact: bool = False) -> Images:
    """The centre of the images, magnified by linear interpolation; factor is at least 1.

    The authors crop to whole pixels, magnify with corners aligned to whole pixels, and crop again.  On smaller images, small factors would
    be rounded away: see `exact`.

    Arguments:
        exact: magnify about the centre, without rounding to whole pixels.
    """
    rows, columns = (_interpolating(_sources(side, factor, exact), side) for side in images.shape[2:])
    return np.asarray(rows @ images @ columns.T)


def _sources(side: int, factor: float, exact: bool) -> npt.NDArray[np.float64]:
    """For each pixel of a magnified line, the position on the line that it is taken from."""
    if exact:
        centre = (side - 1) / 2
        return np.asarray(centre + (np.arange(side) - centre) / factor, np.float64)
    crop = math.ceil(side / factor)
    longer = round(crop * factor)
    places = (side - crop) // 2 + np.arange(longer) * ((crop - 1) / (longer - 1))
    return np.asarray(places[(longer - side) // 2 :][:side], np.float64)


def _interpolating(places: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    """The matrix that interpolates a line linearly at these positions."""
    return np.asarray(np.maximum(0, 1 - np.abs(places[:, None] - np.arange(side))))


BLUR: dict[str, Corruption] = {
    "defocus_blur": Corruption(defocus_blur, ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))),
    "glass_blur": Corruption(glass_blur, ((0.05, 1), (0.25, 1), (0.4, 1), (0.25, 2), (0.4, 2))),
    "motion_blur": Corruption(motion_blur, ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))),
    "zoom_blur": Corruption(zoom_blur, ((1.06,), (1.11,), (1.16,), (1.21,), (1.26,))),
}
