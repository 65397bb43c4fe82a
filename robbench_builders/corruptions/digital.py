"""Digital: contrast, elastic transform, pixelation, JPEG compression (whose encoder is jpeg.py)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from robbench_builders.corruptions.base import Corruption, Generators, Images, draws, levels
from robbench_builders.corruptions.jpeg import compressed


def contrast(images: Images, generators: Generators, factor: float) -> Images:
    """``(x − mean) · factor + mean``, with the mean of each channel of each image."""
    means = images.mean((2, 3), keepdims=True)
    return np.asarray((images - means) * factor + means)


def elastic_transform(images: Images, generators: Generators, alpha: float, sigma: float, affine: float) -> Images:
    """A random affine map, then displacements: uniform noise smoothed by a Gaussian.  Simard, Steinkraus and Platt (2003), section 2.

    Arguments:
        alpha: size of the displacements before smoothing, in shorter sides of the image.
        sigma: of the smoothing, in the same unit.
        affine: how far each of the three points that define the affine map may move along each axis, in the same unit.
    """
    from scipy.ndimage import gaussian_filter

    n, _, height, width = images.shape
    side = min(height, width)
    moved = draws(generators, lambda generator: generator.uniform(-affine * side, affine * side, (3, 2)))
    noise = draws(generators, lambda generator: generator.uniform(-1, 1, (2, height, width)))

    arm = side // 3
    points = np.array([width // 2, height // 2]) + arm * np.array([[1, 1], [1, -1], [-1, -1]])
    # Where each pixel comes from: the map back, from the moved points to the points.
    back = np.linalg.solve(_with_ones(points + moved), np.broadcast_to(points.astype(np.float64), (n, 3, 2)))
    y, x = np.mgrid[:height, :width]
    source = (_with_ones(np.stack([x, y], -1).reshape(-1, 2)) @ back).reshape(n, height, width, 2)
    images = _sampled(images, source[..., 1], source[..., 0], repeat_edge=False)

    dx, dy = (alpha * side * gaussian_filter(noise, (0, 0, sigma * side, sigma * side), mode="reflect", truncate=3)).swapaxes(0, 1)
    return _sampled(images, y + dy, x + dx, repeat_edge=True)


def _with_ones(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.concatenate([points, np.ones_like(points[..., :1])], -1)


def _sampled(images: Images, y: npt.NDArray[np.float64], x: npt.NDArray[np.float64], *, repeat_edge: bool) -> Images:
    """Images sampled at the positions y, x ``(n, height, width)``, by linear interpolation; mirrored outside, with the edge pixel once or twice."""
    n, channels, height, width = images.shape
    image, channel = (axis[..., None, None] for axis in np.ogrid[:n, :channels])

    def at(row: npt.NDArray[np.int64], column: npt.NDArray[np.int64]) -> Images:
        return images[image, channel, _mirrored(row, height, repeat_edge)[:, None], _mirrored(column, width, repeat_edge)[:, None]]

    top, left = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    down, right = (y - top)[:, None], (x - left)[:, None]
    upper = (1 - right) * at(top, left) + right * at(top, left + 1)
    lower = (1 - right) * at(top + 1, left) + right * at(top + 1, left + 1)
    return (1 - down) * upper + down * lower


def _mirrored(places: npt.NDArray[np.int64], length: int, repeat_edge: bool) -> npt.NDArray[np.int64]:
    period = 2 * length if repeat_edge else 2 * length - 2
    places = places % period
    return np.where(places < length, places, period - places - repeat_edge)


def pixelate(images: Images, generators: Generators, share: float) -> Images:
    """Shrunk to this share of each side, and enlarged again, in whole grey levels; a small pixel is the mean of those whose centres it covers.

    The smaller sides are whole pixels: on 8×8, severities 1 and 2 are the same, and 3 and 4.
    """
    images, sides = levels(images), images.shape[:1:-1]
    # Width first, then height, each rounded: so does the authors' library.
    for side in sides:
        images = levels(images @ _boxes(side, int(side * share)).T).swapaxes(2, 3)
    for side in sides:
        images = (images @ _boxes(int(side * share), side).T).swapaxes(2, 3)
    return images


def _boxes(length: int, new_length: int) -> npt.NDArray[np.float64]:
    """The matrix that resizes a line: each new pixel is the mean of the old ones whose centres lie in it, or the one its centre lies in."""
    scale = length / new_length
    centres = (np.arange(new_length) + 0.5) * scale
    offset = (np.arange(length) + 0.5 - centres[:, None]) / max(scale, 1)
    inside = (offset > -0.5) & (offset <= 0.5)
    return np.asarray(inside / inside.sum(1, keepdims=True))


def jpeg_compression(images: Images, generators: Generators, quality: int) -> Images:
    """Compression by baseline JPEG at this quality, 1 to 100, and decompression."""
    return compressed(images, quality)


DIGITAL: dict[str, Corruption] = {
    "contrast": Corruption(contrast, ((0.75,), (0.5,), (0.4,), (0.3,), (0.15,))),
    "elastic_transform": Corruption(
        elastic_transform, ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))
    ),
    "pixelate": Corruption(pixelate, ((0.95,), (0.9,), (0.85,), (0.75,), (0.65,))),
    "jpeg_compression": Corruption(jpeg_compression, ((80,), (65,), (58,), (50,), (40,))),
}
