from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
import torch.nn.functional as F

from robbench_builders.networks.plain import Network
from robbench_builders.proxies import Passes, initialised
from robbench_builders.proxies.jacobians import Hessian, JacobFro, epe_nas
from robbench_builders.train import generator
from tests.builders.proxies.small import CELLS, SKELETON, Values, frozen, images, labels, plain, stacked, value

K = 1e-5


def jacobian(network: Network) -> Values:
    """Of the sum of all logits, ``(images, pixels)``."""
    batch = images().requires_grad_()
    torch.autograd.backward(network(batch).sum())
    assert batch.grad is not None
    return np.asarray(batch.grad.flatten(1).numpy())


def test_jacov() -> None:
    def jacov(network: Network) -> float:
        eigenvalues = np.linalg.eigvalsh(np.corrcoef(jacobian(network)))
        return float(-np.sum(np.log(eigenvalues + K) + 1 / (eigenvalues + K)))

    np.testing.assert_allclose(value("jacov"), plain(jacov), rtol=1e-6)


def test_epe_nas_class_by_class() -> None:
    def epe(network: Network) -> float:
        rows = jacobian(network)
        scores = [np.log(np.abs(np.corrcoef(rows[labels().numpy() == label])) + K).sum() for label in range(3)]
        return float(np.abs(scores).sum())

    np.testing.assert_allclose(value("epe_nas"), plain(epe), rtol=1e-8)


def test_epe_nas_of_many_classes_compares_pairs_of_them() -> None:
    from dataclasses import replace

    skeleton = replace(SKELETON, classes=101)
    stack = initialised(CELLS[:1], skeleton).double()
    rows = jacobian(stack.extract(0))
    scores = [
        np.log(np.abs(np.corrcoef(rows[labels().numpy() == label])) + K).sum() / (labels() == label).sum().item() for label in range(3)
    ]
    expected = sum(abs(one - other) for one in scores for other in scores) / 3
    found = epe_nas(Passes(stack, images(), labels(), order=1))
    np.testing.assert_allclose(found.numpy(), [expected], rtol=1e-8)


def test_jacob_fro_is_the_norm_of_the_whole_jacobian() -> None:
    """Projections are unbiased in the square; 100 of them an image come within a few per cent of the Jacobian written out."""

    def norm(network: Network) -> float:
        batch = images().requires_grad_()
        logits = frozen(network)(batch)
        squared = sum(torch.autograd.grad(logits[:, c].sum(), batch, retain_graph=True)[0].pow(2).sum() for c in range(3))
        return float(torch.as_tensor(squared / len(batch)).sqrt())

    np.testing.assert_allclose(value("jacob_fro", compute=JacobFro(projections=100)), plain(norm), rtol=0.05)


def test_jacob_fro_of_one_projection_image_by_image() -> None:
    """√ of the mean over images of C·‖vᵀJ‖², for v of length one: the same v for every network."""
    drawn = torch.randn(16, 3, generator=generator(0, "jacob_fro")).double()

    def norm(network: Network) -> float:
        frozen(network)
        squared = 0.0
        for image, v in zip(images(), drawn, strict=True):
            point = image[None].requires_grad_()
            logits = network(point)[0]
            rows = torch.stack([torch.autograd.grad(logits[c], point, retain_graph=True)[0].flatten() for c in range(3)])
            squared += 3 * float((v / v.norm() @ rows).pow(2).sum()) / 16
        return float(np.sqrt(squared))

    np.testing.assert_allclose(value("jacob_fro"), plain(norm), rtol=1e-10)


def test_hessian_is_the_largest_eigenvalue_image_by_image() -> None:
    """Of the first images; the statistics are those of all."""
    n, first = 5, 3

    def largest(network: Network) -> float:
        frozen(network, n)
        found = []
        for image, label in zip(images(n)[:first], labels(n), strict=False):
            whole = torch.autograd.functional.hessian(lambda x, y=label: F.cross_entropy(network(x[None]), y[None]), image)
            eigenvalues = torch.linalg.eigvalsh(whole.reshape(128, 128))
            assert float(eigenvalues[0]) > -1e-9 * float(eigenvalues[-1])
            found.append(float(eigenvalues[-1]))
        return float(np.mean(found))

    stack = stacked(CELLS[:2])
    expected = plain(largest, stack)
    found = value("hessian", stack, compute=Hessian(iterations=40, images=first), n=n)
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    np.testing.assert_allclose(value("hessian", stack, compute=Hessian(iterations=0, images=first), n=n), expected, rtol=1e-9)


def test_the_exact_hessian_is_what_iterations_approach_from_below() -> None:
    few, many, exact = (value("hessian", compute=compute) for compute in (Hessian(iterations=2), Hessian(), Hessian(iterations=0)))
    assert (few < many).all()
    assert (many <= exact * (1 + 1e-9)).all()
    np.testing.assert_allclose(many, exact, rtol=0.02)


def test_the_exact_hessian_of_a_network_that_is_not_finite_is_no_number() -> None:
    stack = stacked(CELLS[:2])
    with torch.no_grad():
        stack.state(1)["classifier.weight"].fill_(torch.inf)
    found = value("hessian", stack, compute=Hessian(iterations=0))
    assert np.isfinite(found[0])
    assert np.isnan(found[1])


def test_hessian_of_the_default_settings_is_that_of_a_network_linear_around_an_image() -> None:
    """JᵀSJ, S the covariance of the softmax's classes: its eigenvalues are those of JJᵀS, 3 × 3."""

    def largest(network: Network) -> float:
        frozen(network)
        found = []
        for image in images():
            rows = torch.autograd.functional.jacobian(lambda x: network(x[None])[0], image).flatten(1)
            p = network(image[None])[0].softmax(0).detach()
            found.append(float(torch.linalg.eigvals(rows @ rows.T @ (p.diag() - p.outer(p))).real.max()))
        return float(np.mean(found))

    np.testing.assert_allclose(value("hessian"), plain(largest), rtol=0.02)
