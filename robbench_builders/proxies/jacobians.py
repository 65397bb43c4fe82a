"""Proxies from derivatives of the outputs with respect to the images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robbench_builders.proxies.passes import Passes, losses, own
from robbench_builders.train import generator

_K = 1e-5  # both papers' constant, which keeps logarithms and reciprocals finite
_MANY_CLASSES = 100
_TINY = 1e-30
_VANISHING = "the Jacobian is rounding: batch norm fixes the sum of the batch's logits"


def jacov(passes: Passes) -> Tensor:
    """−Σ (log(λ + k) + 1 / (λ + k)), ``(stack,)``, float64; λ are the eigenvalues of the correlations of the images' Jacobians, k = 1e-5.

    Higher where the images' Jacobians are less correlated.  A Jacobian is that of the sum of the logits, through the batch's statistics, too; an image whose Jacobian is constant has no correlation, so the network has no value; nor has one whose
    Jacobians vanish (`Passes.jacobian_vanishes`), as of cells of DARTS without pooling.

    Source: Mellor et al. (2020), the first version of "Neural architecture search without training".
    """
    correlations = _correlations(passes.jacobian)
    usable = correlations.isfinite().all(-1).all(-1)
    identity = torch.eye(correlations.shape[-1]).to(correlations)
    eigenvalues = torch.linalg.eigvalsh(torch.where(usable[:, None, None], correlations, identity))
    score: Tensor = -(torch.log(eigenvalues + _K) + 1 / (eigenvalues + _K)).sum(-1)
    return _unless_vanishing(passes, score.masked_fill(~usable, torch.nan))


def epe_nas(passes: Passes) -> Tensor:
    """The correlations of the Jacobians of images of the same class, summed over the classes: ``(stack,)``, float64.

    E_c = Σ log(|correlation| + k) over the Jacobians of the images of class c.  The score is Σ |E_c|; beyond 100 classes each E_c is
    divided by the number of its images, and the score is Σ |E_c − E_d| over pairs of classes, divided by the number of classes.  A
    class with one image has E_c = log(1 + k); beyond 100 classes the authors' code drops it.  No value where Jacobians vanish, as for `jacov`.

    Source: Lopes, Alirezazadeh and Alexandre (2021), in the form of their released code.
    """
    labels = passes.labels
    terms = []
    for label in labels.unique():
        jacobian = passes.jacobian[:, labels == label]
        term = torch.log(_correlations(jacobian).abs() + _K).sum((-1, -2))
        terms.append(term / jacobian.shape[1] if passes.stack.skeleton.classes > _MANY_CLASSES else term)
    classes = torch.stack(terms, -1)
    if passes.stack.skeleton.classes > _MANY_CLASSES:
        return _unless_vanishing(passes, (classes[:, :, None] - classes[:, None, :]).abs().sum((-1, -2)) / classes.shape[-1])
    return _unless_vanishing(passes, classes.abs().sum(-1))


def _unless_vanishing(passes: Passes, score: Tensor) -> Tensor:
    """The score; NaN, with a note, where the Jacobian is rounding."""
    vanishes = passes.jacobian_vanishes
    passes.notes.update(dict.fromkeys(vanishes.nonzero().flatten().tolist(), _VANISHING))
    return score.masked_fill(vanishes, torch.nan)


def _correlations(rows: Tensor) -> Tensor:
    """Of the rows of each network, ``(stack, rows, rows)``, float64; NaN for a constant row."""
    centred = rows.double() - rows.double().mean(-1, keepdim=True)
    unit = centred / centred.norm(dim=-1, keepdim=True)
    found: Tensor = (unit @ unit.transpose(-1, -2)).clamp(-1, 1)
    return found


@dataclass(frozen=True)
class JacobFro:
    """Frobenius norm of the input-output Jacobian, estimated by random projections.

    Smaller is taken for more robust; the estimate is unbiased in its square, the mean over images of the squared norm.

    Arguments:
        projections: directions an image; the variance falls as 1/projections.

    Source: Hoffman, Roberts and Yaida (2019), algorithm 1; used as a measure of robustness by Jung et al. (2023), section 4.1.
    """

    projections: int = 1

    def __call__(self, passes: Passes) -> Tensor:
        """``(stack,)``, non-negative, in logits a unit of image; batch norm's statistics are fixed."""
        stack, random = passes.frozen, generator(passes.seed, "jacob_fro")
        with torch.enable_grad():
            images = own(stack, passes.images)
            logits = stack(images)
        classes = logits.shape[-1]
        squared = torch.zeros(len(stack), dtype=torch.float64, device=images.device)
        for _ in range(self.projections):
            # The same directions for all networks, so that their noise does not enter comparisons.
            direction = torch.randn(logits.shape[1:], generator=random).to(logits)
            direction = direction / direction.norm(dim=-1, keepdim=True)
            projected = torch.autograd.grad((logits * direction).sum(), images, retain_graph=True, allow_unused=True)[0]
            if projected is not None:
                squared += classes * projected.double().flatten(2).square().sum(-1).mean(-1) / self.projections
        return squared.sqrt()


@dataclass(frozen=True)
class Hessian:
    """Largest eigenvalue of the Hessian of the loss with respect to an image, by power iteration or exactly; the mean over the images.

    Larger means a sharper loss around the images, taken for less robust.  Around an image the network is linear, so the Hessian is
    JᵀSJ with S the covariance of the softmax's classes: no eigenvalue is negative.

    Arguments:
        iterations: products with the Hessian; with 0 the eigenvalue itself is computed, for one backward pass a class.
        images: how many, the first of the batch; batch norm's statistics are of all.

    Source: Zhao et al. (2020), who find it to go with the loss under attack; used as a measure of robustness by Jung et al. (2023).
    """

    iterations: int = 20
    images: int = 16

    def __call__(self, passes: Passes) -> Tensor:
        """``(stack,)``, in nats a squared unit of image; batch norm's statistics are fixed, so images do not mix."""
        stack, random = passes.frozen, generator(passes.seed, "hessian")
        with torch.enable_grad():
            images = own(stack, passes.images[: self.images])
            logits = stack(images)
            if not self.iterations:
                return eigenvalues_of_images(logits, images).mean(-1)
            loss = losses(logits, passes.labels[: self.images]).sum()
            slope = torch.autograd.grad(loss, images, create_graph=True, allow_unused=True)[0]
        if slope is None or not slope.requires_grad:
            return torch.zeros(len(stack), device=images.device)
        vector = _unit(torch.randn(images.shape[1:], generator=random).to(images).expand_as(images))
        for _ in range(self.iterations):
            product = torch.autograd.grad(slope, images, vector, retain_graph=True)[0]
            value = (product * vector).flatten(2).sum(-1)
            vector = _unit(product)
        return value.mean(-1)


def eigenvalues_of_images(logits: Tensor, images: Tensor) -> Tensor:
    """The largest of JᵀSJ, of each network and image, ``(stack, batch)``, float64: for one backward pass a class, without iterating.

    But for zeros its eigenvalues are those of MᵀJJᵀM, a matrix of classes by classes, where S = MMᵀ with M = diag(√p) − p√pᵀ, p the softmax.
    """
    rows = [torch.autograd.grad(each.sum(), images, retain_graph=True, allow_unused=True)[0] for each in logits.unbind(-1)]
    jacobian = torch.stack([torch.zeros_like(images) if row is None else row for row in rows], 2).flatten(3).double()
    p = logits.detach().double().softmax(-1)
    half = torch.diag_embed(p.sqrt()) - p[..., :, None] * p.sqrt()[..., None, :]
    product = half.transpose(-1, -2) @ (jacobian @ jacobian.transpose(-1, -2)) @ half
    usable = product.isfinite().flatten(2).all(-1)
    largest: Tensor = torch.linalg.eigvalsh(torch.where(usable[..., None, None], product, torch.zeros_like(product)))[..., -1]
    return largest.clamp(min=0).masked_fill(~usable, torch.nan)


def _unit(vectors: Tensor) -> Tensor:
    """Each image's vector at length one; a vector of zeros stays."""
    flat = vectors.flatten(2)
    unit: Tensor = flat / flat.norm(dim=-1, keepdim=True).clamp(min=_TINY)
    return unit.view_as(vectors)
