"""What networks say of the images of each class, summed up: confusion matrices, and confidences in three schemes.

    confusion               (classes, classes)  images of each label (rows) that got each prediction (columns)
    confidence_label        (classes, classes)  mean probability of each class (columns) over the images of each label (rows)
    confidence_argmax       (classes, classes)  the same over the images of each prediction (rows)
    confidence_prediction   (2,)                mean probability of the predicted class over the images that are classified correctly, and over the others

Probabilities are the softmax of the logits.  A mean over no image is NaN; images with a logit that is not a number have no probabilities, and are left out.

Source: Jung et al. (2023), appendices A.5 and A.6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from robbench_builders.evaluate import Answers
from robbench.measurements.metrics import CONFIDENCES

Summary = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From logits ``(…, images, classes)``, labels ``(images,)`` and outcomes ``(…, images)``."""

AXES: dict[str, dict[str, list[float | int | str]]] = {
    "confusion": {"label": [], "prediction": []},
    CONFIDENCES["label"]: {"label": [], "class": []},
    CONFIDENCES["argmax"]: {"prediction": [], "class": []},
    CONFIDENCES["prediction"]: {"images": ["correct", "incorrect"]},
}
"""What a store's arrays run over, after levels and seeds."""
UNITS = {"confusion": "count"} | dict.fromkeys(CONFIDENCES.values(), "fraction")


def summed_up(answers: Answers, labels: Tensor, measures: Sequence[str]) -> dict[str, np.ndarray]:
    """Some of `SUMMARIES`, each ``(…, *AXES)``: uint16 of counts, float32 of confidences.

    Arguments:
        answers: with logits.
        labels: ``(images,)``, int64.
        measures: which.
    """
    assert answers.logits is not None, "the whole was asked for"
    logits, outcomes = answers.logits.float(), torch.from_numpy(answers.outcomes)
    return {
        measure: SUMMARIES[measure](logits, labels.cpu(), outcomes).numpy().astype(np.uint16 if UNITS[measure] == "count" else np.float32)
        for measure in measures
    }


def _confusion(logits: Tensor, labels: Tensor, outcomes: Tensor) -> Tensor:
    return _of_each(labels, logits).transpose(-2, -1) @ _of_each(logits.argmax(-1), logits)


def _by_label(logits: Tensor, labels: Tensor, outcomes: Tensor) -> Tensor:
    return _means(_of_each(labels, logits), logits.double().softmax(-1))


def _by_prediction(logits: Tensor, labels: Tensor, outcomes: Tensor) -> Tensor:
    return _means(_of_each(logits.argmax(-1), logits), logits.double().softmax(-1))


def _of_correct_and_incorrect(logits: Tensor, labels: Tensor, outcomes: Tensor) -> Tensor:
    groups = torch.stack([outcomes, ~outcomes], -1).double()
    return _means(groups, logits.double().softmax(-1).amax(-1, keepdim=True)).squeeze(-1)


def _of_each(classes: Tensor, logits: Tensor) -> Tensor:
    """Which images are of each class, ``(…, images, classes)``: 1 or 0."""
    return F.one_hot(classes.expand(logits.shape[:-1]), logits.shape[-1]).double()


def _means(groups: Tensor, values: Tensor) -> Tensor:
    """The mean of values ``(…, images, n)`` over each of the groups ``(…, images, m)``: ``(…, m, n)``."""
    known = values.isfinite().all(-1, keepdim=True)
    weights = (groups * known).transpose(-2, -1)
    return weights @ values.where(known, 0.0) / weights.sum(-1, keepdim=True)


SUMMARIES: dict[str, Summary] = {
    "confusion": _confusion,
    CONFIDENCES["label"]: _by_label,
    CONFIDENCES["argmax"]: _by_prediction,
    CONFIDENCES["prediction"]: _of_correct_and_incorrect,
}
"""By the measure that a query names."""
