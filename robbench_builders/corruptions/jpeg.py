"""JPEG compression and decompression: all steps of ITU-T T.81 that lose information.  Entropy coding loses none, and is left out.

    grey levels → Y, Cb, Cr → Cb and Cr at half size → 8×8 blocks → DCT → rounded to multiples of a table → and the inverse of each

Images of three channels are taken for red, green and blue; of any others, each channel is compressed as an image in shades of grey.
What the standard leaves open is as in libjpeg: colours as in JFIF, halving by 2×2 means, doubling by a triangle filter, quality scales
the tables of annex K.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from robbench_builders.corruptions.base import Images

BLOCK = 8
# Annex K, tables K.1 and K.2.
LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
CHROMINANCE = np.full((BLOCK, BLOCK), 99)
CHROMINANCE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]

# JFIF 1.02: from red, green, blue in 0 to 255; Cb and Cr are shifted by 128.
TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
SHIFT = np.array([0, 128, 128])
TO_RGB = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]])

Planes = npt.NDArray[np.float64]
"""``(n, height, width)``, in 0 to 255."""


def compressed(images: Images, quality: int) -> Images:
    """Images after compression and decompression, in whole grey levels.

    Arguments:
        images: ``(n, channels, height, width)``, in [0, 1].
        quality: 1 to 100.
    """
    bytes_ = _rounded(images * 255)
    _, channels, height, width = images.shape
    if channels != 3:
        return _lossy(bytes_.reshape(-1, height, width), LUMINANCE, quality).reshape(images.shape) / 255
    y, cb, cr = _rounded(np.einsum("dc,nchw->dnhw", TO_YCC, bytes_) + SHIFT[:, None, None, None])
    planes = [_lossy(y, LUMINANCE, quality)]
    planes += [_doubled(_lossy(_halved(plane), CHROMINANCE, quality), height, width) for plane in (cb, cr)]
    return _rounded(np.einsum("cd,dnhw->nchw", TO_RGB, np.stack(planes) - SHIFT[:, None, None, None])) / 255


def table(base: npt.NDArray[np.int64], quality: int) -> npt.NDArray[np.int64]:
    """The quantisation table of a quality: the base table at 50, twice that at 25, nearly ones at 100."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((base * percent + 50) // 100, 1, 255)


def _lossy(planes: Planes, base: npt.NDArray[np.int64], quality: int) -> Planes:
    """Planes after quantisation: the frequencies of each 8×8 block are rounded to multiples of a table."""
    n, height, width = planes.shape
    steps, dct = table(base, quality), _dct()
    padded = np.pad(planes, ((0, 0), (0, -height % BLOCK), (0, -width % BLOCK)), mode="edge")
    blocks = padded.reshape(n, padded.shape[1] // BLOCK, BLOCK, -1, BLOCK).swapaxes(2, 3)
    frequencies = _nearest(dct @ _nearest((blocks - 128) @ dct.T, 4), 1) / 8 / steps
    kept = np.sign(frequencies) * np.floor(np.abs(frequencies) + 0.5) * steps
    blocks = _rounded(_nearest(dct.T @ kept, 4) @ dct / 8 + 128)
    return blocks.swapaxes(2, 3).reshape(padded.shape)[:, :height, :width]


def _dct() -> npt.NDArray[np.float64]:
    """The DCT-II of eight numbers, √8 times the orthonormal one.  T.81, A.3.3."""
    frequency, place = np.mgrid[:BLOCK, :BLOCK]
    matrix: npt.NDArray[np.float64] = np.sqrt(2) * np.cos((2 * place + 1) * frequency * np.pi / (2 * BLOCK))
    matrix[0] = 1
    return matrix


def _halved(planes: Planes) -> Planes:
    """2×2 means, of planes widened to whole blocks; halves are rounded up in every other column, so that they don't make the whole brighter."""
    n, height, width = planes.shape
    planes = np.pad(planes, ((0, 0), (0, height % 2), (0, -width % (2 * BLOCK))), mode="edge")
    sums = planes.reshape(n, planes.shape[1] // 2, 2, planes.shape[2] // 2, 2).sum((2, 4))
    return np.asarray(np.floor((sums + 1 + np.arange(sums.shape[2]) % 2) / 4))


def _doubled(planes: Planes, height: int, width: int) -> Planes:
    """Planes of this size, of which each pixel is ¾ the one it came from and ¼ the nearest other, along each axis."""
    planes = planes[:, :, : -(-width // 2)]
    for axis, length in ((1, height), (2, width)):
        places = np.arange(length)
        nearest = np.clip(places // 2 + np.where(places % 2, 1, -1), 0, planes.shape[axis] - 1)
        planes = 3 * planes.take(places // 2, axis) + planes.take(nearest, axis)
    return np.floor((planes + np.where(np.arange(width) % 2, 7, 8)) / 16)


def _nearest(values: npt.NDArray[np.float64], parts: int) -> npt.NDArray[np.float64]:
    return np.floor(values * parts + 0.5) / parts


def _rounded(planes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.clip(np.floor(planes + 0.5), 0, 255)
