"""Strength of the corruptions: mean squared error by severity, beside what the authors' parameters imply, as a Markdown table.

    python benchmarks/corruptions.py [--images 200] [--frost FOLDER]

On the first test images of CIFAR-10 in the reference data (ROBBENCH_REFERENCE, or ../shared/reference beside the repository).  Implied:

    analytic    expectation over the noise, given the images' histogram, or the formula itself: the noises, contrast, brightness
    second      the plain second implementation that the tests use (tests/builders/corruptions/plain.py), with other random numbers
    photographs frost, mixed with crops of the authors' five photographs at a fifth of their size, if --frost names the folder they are in
                (frost1.png, frost2.png, frost3.png, frost4.jpg, frost5.jpg of their repository, which are not ours to ship)

Cost: about 2 minutes on one CPU core, nearly all of it in the plain implementation's loops.  Needs Pillow.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm, poisson

from robbench_builders.corruptions import CORRUPTIONS, as_floats, corrupt, generator
from robbench.measurements.metrics import SEVERITIES
from tests.builders.corruptions.plain import PLAIN

REFERENCE = Path(os.environ.get("ROBBENCH_REFERENCE", Path(__file__).parents[2] / "shared" / "reference"))
PHOTOGRAPHS = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")
OTHER_SEED = 1


def gaussian_noise(x: Any, sigma: float) -> Any:
    """Expected squared error of clipped Gaussian noise on a pixel of value x."""
    low, high = -x / sigma, (1 - x) / sigma
    inside = norm.cdf(high) - norm.cdf(low) - high * norm.pdf(high) + low * norm.pdf(low)
    return sigma**2 * inside + x**2 * norm.cdf(low) + (1 - x) ** 2 * norm.sf(high)


def shot_noise(x: Any, photons: float) -> Any:
    counts = np.arange(2 * photons + 1)
    return np.sum(poisson.pmf(counts, photons * x[:, None]) * (np.minimum(counts / photons, 1) - x[:, None]) ** 2, 1)


def impulse_noise(x: Any, amount: float) -> Any:
    return amount * (x**2 + (1 - x) ** 2) / 2


NOISES = {"gaussian_noise": gaussian_noise, "shot_noise": shot_noise, "impulse_noise": impulse_noise}


def analytic(name: str, images: Any, parameters: tuple[float, ...]) -> float:
    if name in NOISES:
        values, counts = np.unique(images.astype(np.float64), return_counts=True)
        return float(np.average(NOISES[name](values, *parameters), weights=counts))
    if name == "contrast":
        return float((1 - parameters[0]) ** 2 * images.astype(np.float64).var((2, 3)).mean())
    value = images.max(1).astype(np.float64)  # brightness: all channels grow as the largest does
    growth = np.minimum(value + parameters[0], 1) / np.where(value > 0, value, 1)
    return float((np.where(value > 0, (growth - 1) * images.swapaxes(0, 1), growth) ** 2).mean())


def second(name: str, images: Any, severity: int) -> float:
    """Of the plain implementation, in whole grey levels rounded down."""
    errors = []
    for place, image in enumerate(images):
        rng = generator(name, severity, OTHER_SEED, place)
        plain = PLAIN[name](image.astype(np.float64).transpose(1, 2, 0), rng, *CORRUPTIONS[name].parameters[severity - 1])
        written = as_floats(np.floor(np.clip(plain * 255, 0, 255) + 1e-6).astype(np.uint8))
        errors.append(((written.transpose(2, 0, 1) - image) ** 2).mean())
    return float(np.mean(errors))


def photographed(images: Any, severity: int, photographs: list[Any]) -> float:
    """Frost with crops of photographs ``(height, width, 3)``."""
    keep, amount = CORRUPTIONS["frost"].parameters[severity - 1]
    rng = np.random.default_rng(severity)
    errors = []
    for image in images:
        photograph = photographs[rng.integers(len(photographs))]
        top, left = (rng.integers(0, side - 32) for side in photograph.shape[:2])
        crop = photograph[top : top + 32, left : left + 32].transpose(2, 0, 1)
        errors.append(((np.clip(keep * image + amount * crop, 0, 1) - image) ** 2).mean())
    return float(np.mean(errors))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--frost", type=Path)
    options = parser.parse_args()
    with np.load(REFERENCE / "cifar10" / "cifar10_prefix.npz") as arrays:
        images = as_floats(arrays["test_batch_images"][: options.images].transpose(0, 3, 1, 2))
    photographs = []
    if options.frost is not None:
        from PIL import Image

        # Bilinear resizing by 1/5 without smoothing, as the authors', takes the middle pixel of each five.
        photographs = [np.asarray(Image.open(options.frost / name).convert("RGB"))[2::5, 2::5] / 255 for name in PHOTOGRAPHS]

    print(
        f"Mean squared error × 1,000 on the first {len(images)} test images of CIFAR-10; in brackets, what the authors' parameters imply.\n"
        "Ours are rounded down to whole grey levels, as the authors' are; the analytic figures leave that out: it takes half a level off brightness.\n"
    )
    print("| corruption | implied by | " + " | ".join(f"severity {severity}" for severity in SEVERITIES) + " | largest deviation |")
    print("| --- " * (3 + len(SEVERITIES)) + "|")
    for name, corruption in CORRUPTIONS.items():
        ours = [float(((corrupt(images, name, severity) - images) ** 2).mean()) for severity in SEVERITIES]
        if name in (*NOISES, "contrast", "brightness"):
            how, implied = "analytic", [analytic(name, images, parameters) for parameters in corruption.parameters]
        elif name in PLAIN:
            how, implied = "second", [second(name, images, severity) for severity in SEVERITIES]
        elif photographs:
            how, implied = "photographs", [photographed(images, severity, photographs) for severity in SEVERITIES]
        else:
            print(f"| {name} | – | " + " | ".join(f"{1000 * one:.2f}" for one in ours) + " | – |", flush=True)
            continue
        cells = " | ".join(f"{1000 * one:.2f} ({1000 * other:.2f})" for one, other in zip(ours, implied, strict=True))
        worst = max((one / other - 1 for one, other in zip(ours, implied, strict=True)), key=abs)
        print(f"| {name} | {how} | {cells} | {worst:+.1%} |", flush=True)


if __name__ == "__main__":
    main()
