"""The corruptions once more, for one image at a time: loops and scipy's own routines, written from the authors' formulas.

    image    (height, width, channels)   float64, in [0, 1]

Each draws what the library draws, in the same order, so results can be compared pixel by pixel.  What is drawn procedurally (frost) has no
second form here but its mixing.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage


def levels(image: Any) -> Any:
    return np.clip(image * 255, 0, 255).astype(np.uint8) / 255


def gaussian_noise(image: Any, rng: Any, sigma: float) -> Any:
    noise = rng.standard_normal(image.transpose(2, 0, 1).shape)
    return image + sigma * noise.transpose(1, 2, 0)


def shot_noise(image: Any, rng: Any, photons: float) -> Any:
    return rng.poisson(image.transpose(2, 0, 1) * photons).transpose(1, 2, 0) / photons


def impulse_noise(image: Any, rng: Any, amount: float) -> Any:
    hit, white = rng.random((2, *image.transpose(2, 0, 1).shape)).transpose(0, 2, 3, 1)
    out = image.copy()
    for place in np.ndindex(image.shape):
        if hit[place] < amount:
            out[place] = 1 if white[place] < 0.5 else 0
    return out


def defocus_blur(image: Any, rng: Any, radius: float, alias_blur: float) -> Any:
    disk = np.array([[float(x * x + y * y <= radius * radius) for x in range(-8, 9)] for y in range(-8, 9)])
    disk /= disk.sum()
    line = np.array([math.exp(-(k * k) / (2 * alias_blur**2)) for k in (-1, 0, 1)])
    line /= line.sum()
    kernel = ndimage.correlate1d(ndimage.correlate1d(disk, line, 0), line, 1)
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="reflect")
    height, width, _ = image.shape
    assert abs(kernel[6:11, 6:11].sum() - 1) < 1e-12
    return sum(kernel[6 + i, 6 + j] * padded[i : i + height, j : j + width] for i in range(5) for j in range(5))


def glass_blur(image: Any, rng: Any, sigma: float, iterations: int) -> Any:
    """Pixel by pixel, from the last to the first, with the assignment of views that the authors' program makes."""
    height, width, _ = image.shape
    x = levels(ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="nearest"))
    moves = rng.integers(-1, 1, (iterations, 2, height - 2, width - 2))
    for i in range(iterations):
        for h in range(height - 1, 1, -1):
            for w in range(width - 1, 1, -1):
                dx, dy = moves[i, :, h - 2, w - 2]
                h_prime, w_prime = h + dy, w + dx
                x[h, w], x[h_prime, w_prime] = x[h_prime, w_prime], x[h, w]
    return ndimage.gaussian_filter(x, (sigma, sigma, 0), mode="nearest")


def motion_blur(image: Any, rng: Any, radius: int, sigma: float) -> Any:
    return along_line(image, rng.uniform(-45, 45), radius, sigma)


def along_line(image: Any, degrees: float, radius: int, sigma: float) -> Any:
    height, width, _ = image.shape
    steps = min(2 * radius + 1, height, width)
    weights = [math.exp(-(k * k) / (2 * sigma * sigma)) for k in range(steps)]
    out = np.zeros_like(image)
    for y in range(height):
        for x in range(width):
            for k, weight in enumerate(weights):
                row = y + math.ceil(k * math.sin(math.radians(degrees)) - 0.5)
                column = x + math.ceil(k * math.cos(math.radians(degrees)) - 0.5)
                out[y, x] += weight * image[min(max(row, 0), height - 1), min(max(column, 0), width - 1)]
    return np.rint(out / sum(weights) * 255) / 255


def zoom_blur(image: Any, rng: Any, largest: float) -> Any:
    total, count = image.copy(), 1
    for factor in np.arange(1, largest, 0.01):
        total += magnified(image, factor) if len(image) >= 32 else magnified_about_the_centre(image, factor)
        count += 1
    return total / count


def magnified(image: Any, factor: float) -> Any:
    side = len(image)
    assert image.shape[1] == side
    crop = math.ceil(side / factor)
    top = (side - crop) // 2
    larger = ndimage.zoom(image[top : top + crop, top : top + crop], (factor, factor, 1), order=1)
    trim = (len(larger) - side) // 2
    return larger[trim : trim + side, trim : trim + side]


def magnified_about_the_centre(image: Any, factor: float) -> Any:
    shift = (len(image) - 1) / 2 * (1 - 1 / factor)
    return ndimage.affine_transform(image, np.diag([1 / factor, 1 / factor, 1]), [shift, shift, 0], order=1)


def snow(image: Any, rng: Any, mean: float, std: float, zoom: float, threshold: float, radius: int, sigma: float, keep: float) -> Any:
    flakes = magnified(rng.normal(mean, std, image.shape[:2])[..., None], zoom)
    flakes[flakes < threshold] = 0
    flakes = along_line(levels(flakes), rng.uniform(-135, -45), radius, sigma)
    grey = image @ [0.299, 0.587, 0.114] if image.shape[2] == 3 else image.mean(2)
    whitened = keep * image + (1 - keep) * np.maximum(image, (grey * 1.5 + 0.5)[..., None])
    return whitened + flakes + np.rot90(flakes, k=2)


def fog(image: Any, rng: Any, amount: float, decay: float) -> Any:
    brightest, clouds = image.max(), plasma(rng, len(image), decay)
    return (image + amount * clouds[..., None]) * brightest / (brightest + amount)


def plasma(rng: Any, side: int, decay: float) -> Any:
    """Point by point, on a torus; the side must be a power of two."""
    assert side & (side - 1) == 0
    noise = iter(rng.uniform(-1, 1, side * side - 1))
    heights = np.zeros((side, side))
    step, wobble = side, 100.0
    while step >= 2:
        half = step // 2

        def mean(y: int, x: int, *around: tuple[int, int], half: int = half, wobble: float = wobble) -> None:
            known = [heights[(y + half * dy) % side, (x + half * dx) % side] for dy, dx in around]
            heights[y, x] = sum(known) / 4 + wobble * wobble * next(noise)

        corners = [(y, x) for y in range(0, side, step) for x in range(0, side, step)]
        for y, x in corners:
            mean(y + half, x + half, (-1, -1), (-1, 1), (1, -1), (1, 1))
        for y, x in corners:
            mean(y, x + half, (-1, 0), (1, 0), (0, -1), (0, 1))
        for y, x in corners:
            mean(y + half, x, (-1, 0), (1, 0), (0, -1), (0, 1))
        step, wobble = half, wobble / decay
    return (heights - heights.min()) / (heights.max() - heights.min())


def brightness(image: Any, rng: Any, amount: float) -> Any:
    """By way of hue, saturation and value, with the standard library's conversion."""
    import colorsys

    out = np.empty_like(image)
    for y, x in np.ndindex(image.shape[:2]):
        channels = image[y, x] if image.shape[2] == 3 else np.repeat(image[y, x], 3)
        hue, saturation, value = colorsys.rgb_to_hsv(*channels)
        out[y, x] = colorsys.hsv_to_rgb(hue, saturation, min(value + amount, 1))[: image.shape[2]]
    return out


def contrast(image: Any, rng: Any, factor: float) -> Any:
    out = np.empty_like(image)
    for channel in range(image.shape[2]):
        mean = image[..., channel].sum() / image[..., channel].size
        out[..., channel] = mean + factor * (image[..., channel] - mean)
    return out


def elastic_transform(image: Any, rng: Any, alpha: float, sigma: float, affine: float) -> Any:
    height, width, channels = image.shape
    side = min(height, width)
    moved = rng.uniform(-affine * side, affine * side, (3, 2))
    noise = rng.uniform(-1, 1, (2, height, width))
    arm, cx, cy = side // 3, width // 2, height // 2
    points = np.array([[cx + arm, cy + arm], [cx + arm, cy - arm], [cx - arm, cy - arm]], float)
    # The six numbers of the map from points to moved points, by solving for them; then its inverse.
    rows = np.zeros((6, 6))
    rows[0::2, :2] = rows[1::2, 3:5] = points
    rows[0::2, 2] = rows[1::2, 5] = 1
    forward = np.vstack([np.linalg.solve(rows, (points + moved).ravel()).reshape(2, 3), [0, 0, 1]])
    back = np.linalg.inv(forward)
    y, x = np.mgrid[:height, :width].astype(float)
    from_x, from_y = back[0, 0] * x + back[0, 1] * y + back[0, 2], back[1, 0] * x + back[1, 1] * y + back[1, 2]
    dx, dy = (alpha * side * ndimage.gaussian_filter(field, sigma * side, mode="reflect", truncate=3) for field in noise)
    out = np.empty_like(image)
    for channel in range(channels):
        warped = ndimage.map_coordinates(image[..., channel], [from_y, from_x], order=1, mode="mirror")
        out[..., channel] = ndimage.map_coordinates(warped, [y + dy, x + dx], order=1, mode="reflect")
    return out


def pixelate(image: Any, rng: Any, share: float) -> Any:
    from PIL import Image

    height, width, _ = image.shape
    small = _picture(image).resize((int(width * share), int(height * share)), Image.Resampling.BOX)
    return _array(small.resize((width, height), Image.Resampling.BOX))


def jpeg_compression(image: Any, rng: Any, quality: int) -> Any:
    from PIL import Image

    file = io.BytesIO()
    _picture(image).save(file, "JPEG", quality=quality)
    return _array(Image.open(file))


def _picture(image: Any) -> Any:
    from PIL import Image

    return Image.fromarray(np.rint(image * 255).astype(np.uint8).squeeze())


def _array(picture: Any) -> Any:
    array = np.asarray(picture) / 255
    return array if array.ndim == 3 else array[..., None]


PLAIN: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        gaussian_noise,
        shot_noise,
        impulse_noise,
        defocus_blur,
        glass_blur,
        motion_blur,
        zoom_blur,
        snow,
        fog,
        brightness,
        contrast,
        elastic_transform,
        pixelate,
        jpeg_compression,
    )
}
"""All but frost."""

NEEDS_PIL = ("pixelate", "jpeg_compression")
