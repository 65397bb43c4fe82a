"""A contact sheet: one image under all 15 corruptions, a row each, at severities 1 to 5; the first column is the image itself.

Run it as ``python examples/contact_sheet.py OUT.png`` for a digit, or with ``--npz FILE --array NAME`` for an image of an array
``(n, height, width, 3)`` of bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import numpy as np

from robbench_builders.corruptions import CORRUPTIONS, corrupt
from robbench_builders.datasets import load
from robbench.measurements.metrics import SEVERITIES


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--npz", type=Path)
    parser.add_argument("--array", default="test_images")
    parser.add_argument("--index", type=int, default=5)
    parser.add_argument("--dpi", type=int, default=80)
    options = parser.parse_args()
    if options.npz is None:
        image = load("digits").test_images[[options.index]]
    else:
        with np.load(options.npz) as arrays:
            image = arrays[options.array][[options.index]].transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(CORRUPTIONS), 1 + len(SEVERITIES), figsize=(7, 16))
    for row, name in zip(axes, CORRUPTIONS, strict=True):
        shown = [image, *(corrupt(image, name, severity) for severity in SEVERITIES)]
        for axis, picture in zip(row, shown, strict=True):
            axis.imshow(picture[0].transpose(1, 2, 0), cmap="gray", vmin=0, vmax=1)
            axis.set_xticks([])
            axis.set_yticks([])
        row[0].set_ylabel(name.replace("_", "\n"), rotation=0, ha="right", va="center")
    for axis, title in zip(axes[0], ["clean", *map(str, SEVERITIES)], strict=True):
        axis.set_title(title)
    figure.tight_layout(pad=0.3)
    figure.savefig(options.out, dpi=options.dpi)


if __name__ == "__main__":
    main()
