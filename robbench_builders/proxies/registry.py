"""The proxies by name, and what each needs for its values to mean something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

from torch import Tensor

from robbench_builders.proxies.activations import nwot
from robbench_builders.proxies.croze import EQUATIONS, GAUSSIAN, GAUSSIAN_INPUT, Croze
from robbench_builders.proxies.jacobians import Hessian, JacobFro, epe_nas, jacov
from robbench_builders.proxies.minibatches import MeanHessian, MeanJacobFro, MeanWeightsHessian
from robbench_builders.proxies.passes import Passes
from robbench_builders.proxies.rscore import Phi, Psi, phi_of_cells
from robbench_builders.proxies.saliency import fisher, grad_norm, grasp, plain, snip
from robbench_builders.proxies.size import flops, l2_norm, params
from robbench_builders.proxies.swap import Swap
from robbench_builders.proxies.synflow import synflow
from robbench_builders.proxies.zcprob import ZCPRob
from robbench_builders.proxies.zen import Zen


@dataclass(frozen=True)
class Proxy:
    """One proxy, and what it needs for its values to mean something.

    Arguments:
        compute: from the passes to ``(stack,)``.
        order: how often it differentiates the shared forward pass.
        images, labels: the smallest batch, and the fewest different labels in it.
        signal: it has no value for a network whose output ignores the input.
        loss: it depends on the loss, which is always zero for a data set of one class.
    """

    compute: Callable[[Passes], Tensor]
    order: int = 0
    images: int = 1
    labels: int = 1
    signal: bool = True
    loss: bool = False

    def settings(self) -> dict[str, Any]:
        """The proxy's parameters, for the provenance of its values: a flat dict."""
        compute: Any = self.compute
        if hasattr(compute, "settings"):
            return dict(compute.settings())
        fields = asdict(compute) if is_dataclass(compute) and not isinstance(compute, type) else {}
        return {**fields.pop("form", {}), **fields}


PROXIES: dict[str, Proxy] = {
    "params": Proxy(params, signal=False),
    "flops": Proxy(flops, signal=False),
    "l2_norm": Proxy(l2_norm, signal=False),
    "grad_norm": Proxy(grad_norm, order=1, images=2, loss=True),
    "plain": Proxy(plain, order=1, images=2, loss=True),
    "snip": Proxy(snip, order=1, images=2, loss=True),
    "fisher": Proxy(fisher, order=1, images=2, loss=True),
    "grasp": Proxy(grasp, order=2, images=2, loss=True),
    "synflow": Proxy(synflow),
    "nwot": Proxy(nwot, images=2),
    "jacov": Proxy(jacov, order=1, images=2),
    "epe_nas": Proxy(epe_nas, order=1, images=2, labels=2),
    "zen": Proxy(Zen(), images=2),
    "jacob_fro": Proxy(JacobFro(), images=2),
    "hessian": Proxy(Hessian(), images=2, loss=True),
    "croze": Proxy(Croze(), images=8, loss=True),
    "croze_features": Proxy(Croze(part="features"), images=8, loss=True),
    "croze_parameters": Proxy(Croze(part="parameters"), images=8, loss=True),
    "croze_gradients": Proxy(Croze(part="gradients"), images=8, loss=True),
    "croze_gaussian": Proxy(Croze(GAUSSIAN), images=8, loss=True),
    "croze_gaussian_features": Proxy(Croze(GAUSSIAN, "features"), images=8),
    "croze_gaussian_parameters": Proxy(Croze(GAUSSIAN, "parameters"), images=8),
    "croze_gaussian_gradients": Proxy(Croze(GAUSSIAN, "gradients"), images=8, loss=True),
    "croze_equations": Proxy(Croze(EQUATIONS), images=8, loss=True),
    "r_score_psi": Proxy(Psi(), images=16),
    "r_score_phi": Proxy(Phi(), images=8, loss=True),
    "r_score_psi_equations": Proxy(Psi(by_layer=True), images=16),
    "r_score_phi_equations": Proxy(Phi(EQUATIONS, cosines=True), images=8, loss=True),
}
"""What is measured where nothing else is asked for."""

VARIANTS: dict[str, Proxy] = {
    "zcprob": Proxy(ZCPRob(), images=50, loss=True),
    "zcprob_equations": Proxy(ZCPRob(equations=True), images=50, loss=True),
    "swap": Proxy(Swap(), images=16),
    "swap_regularised": Proxy(Swap(regularised=True), images=16),
    "r_score_phi_cells": Proxy(phi_of_cells, images=8, loss=True),
    "croze_features_parameters": Proxy(Croze(part="features_parameters"), images=8, loss=True),
    "croze_features_gradients": Proxy(Croze(part="features_gradients"), images=8, loss=True),
    "croze_parameters_gradients": Proxy(Croze(part="parameters_gradients"), images=8, loss=True),
    "croze_gaussian_input": Proxy(Croze(GAUSSIAN_INPUT), images=8, loss=True),
    "jacob_fro_10x256": Proxy(MeanJacobFro(), images=2560),
    "hessian_10x256": Proxy(MeanHessian(), images=2560, loss=True),
    "hessian_weights_10x256": Proxy(MeanWeightsHessian(), images=2560, loss=True),
}
"""Forms of these that papers measure beside them, and proxies that the evaluations of the first stores lack: computed only when asked for by name."""

KNOWN: dict[str, Proxy] = {**PROXIES, **VARIANTS}
