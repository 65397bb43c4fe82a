"""What holds for all proxies at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from robbench_builders.datasets import load
from robbench_builders.evaluations import EVALUATIONS
from robbench_builders.proxies import KNOWN, PROXIES, VARIANTS, Passes, Proxy, ProxyError, Scores, initialised, score, score_untrained
from robbench_builders.proxies.anatomy import AnyStack
from robbench_builders.proxies.jacobians import Hessian
from robbench_builders.proxies.rscore import Psi
from robbench_builders.proxies.swap import Swap
from robbench_builders.proxies.zcprob import ZCPRob
from robbench.errors import InvalidArgument
from robbench.measurements.metrics import TABLE
from tests.builders.proxies.small import CELLS, CONSTANT, MEAN, NOTHING, SKELETON, STD, images, labels, stacked

QUICK = PROXIES | {
    "hessian": replace(PROXIES["hessian"], compute=Hessian(iterations=3)),
    "r_score_psi": replace(PROXIES["r_score_psi"], compute=Psi(repeats=2)),
    "r_score_psi_equations": replace(PROXIES["r_score_psi_equations"], compute=Psi(by_layer=True, repeats=2)),
}


def scored(stack: AnyStack, seed: int = 0) -> Scores:
    return score(stack, images(), labels(), seed=seed, proxies=QUICK)


@pytest.fixture(scope="module")
def every() -> Scores:
    return scored(stacked())


def test_all_are_metrics_of_the_table() -> None:
    assert set(KNOWN) == {name for name, entry in TABLE.items() if entry.kind == "proxy"}


def test_variants_are_computed_only_when_asked_for_by_name() -> None:
    assert not set(VARIANTS) & set(PROXIES)
    assert all(set(evaluation.proxies) <= set(PROXIES) for evaluation in EVALUATIONS.values())
    told: list[str] = []
    cheap = {name: PROXIES[name] for name in ("params", "flops")}
    score(stacked(), images(), labels(), proxies=cheap, notice=told.append)
    assert told == ["params", "flops"]
    assert np.isfinite(score(stacked(), images(), labels(), ["croze_features_parameters"]).values["croze_features_parameters"]).all()


def test_all_have_a_finite_value_and_say_their_settings(every: Scores) -> None:
    assert every.failures == {}
    for name in PROXIES:
        assert every.values[name].shape == (len(CELLS),)
        assert np.isfinite(every.values[name]).all(), name
        assert every.settings[name].items() >= {"seed": 0, "batch_size": 16, "statistics": "of the batch"}.items()
    assert every.settings["r_score_psi"]["repeats"] == 2
    assert every.settings["croze"].items() >= {"beta": 2.0, "part": "all"}.items()
    assert every.settings["r_score_phi_equations"].items() >= {"beta": 0.1, "cosines": True}.items()


def test_a_stack_is_its_networks_one_at_a_time(every: Scores) -> None:
    for k, cell in enumerate(CELLS):
        for name, found in scored(stacked((cell,))).values.items():
            np.testing.assert_allclose(found, every.values[name][k : k + 1], rtol=1e-6, err_msg=name)


def test_younger_proxies_have_values_in_nas_bench_201_too() -> None:
    """Of a stack as of its networks one at a time; the released pairing of Φ is meant so there."""
    quick = {
        "zcprob": replace(KNOWN["zcprob"], compute=ZCPRob(t=1.0, images=12), images=12),
        "zcprob_equations": replace(KNOWN["zcprob_equations"], compute=ZCPRob(equations=True, t=1.0, images=12), images=12),
        "swap": replace(KNOWN["swap"], compute=Swap(repeats=2)),
        "swap_regularised": replace(KNOWN["swap_regularised"], compute=Swap(regularised=True, repeats=2)),
        "r_score_phi": KNOWN["r_score_phi"],
        "r_score_phi_cells": KNOWN["r_score_phi_cells"],
        "r_score_psi": QUICK["r_score_psi"],
    }
    found = score(stacked(), images(), labels(), proxies=quick)
    assert found.failures == {}
    assert np.array_equal(found.values["swap"], found.values["r_score_psi"])
    assert np.array_equal(found.values["r_score_phi_cells"], found.values["r_score_phi"])
    assert (found.values["zcprob"] < 0).all()
    alone = score(stacked(CELLS[:1]), images(), labels(), proxies=quick)
    for name in quick:
        np.testing.assert_allclose(alone.values[name], found.values[name][:1], rtol=1e-9, err_msg=name)
    assert score(stacked(), images(), labels(), ["zcprob"]).failures == {"zcprob": {"a batch of 16 images, of at least 50": 3}}


@pytest.mark.parametrize("wrong", [{"mu": 1.0}, {"sigma": 2.0}, {"mu": 1.0, "sigma": 0.0}])
def test_swap_is_regularised_by_both_numbers_or_neither(wrong: dict[str, float]) -> None:
    with pytest.raises(ProxyError, match="expected both, sigma above 0, or neither"):
        Swap(regularised=True, **wrong)  # type: ignore[arg-type]


def test_permuting_a_stack_permutes_its_scores(every: Scores) -> None:
    order = [2, 0, 1]
    for name, found in scored(stacked(tuple(CELLS[k] for k in order))).values.items():
        np.testing.assert_allclose(found, every.values[name][order], rtol=1e-6, err_msg=name)


def test_one_proxy_is_what_it_is_among_all(every: Scores) -> None:
    for name in PROXIES:
        alone = score(stacked(), images(), labels(), [name], proxies=QUICK)
        assert list(alone.values) == [name]
        np.testing.assert_allclose(alone.values[name], every.values[name], rtol=1e-9, err_msg=name)


def test_the_same_seed_gives_the_same_and_another_another(every: Scores) -> None:
    again, other = scored(stacked()), scored(stacked(), seed=1)
    for name in PROXIES:
        assert np.array_equal(again.values[name], every.values[name]), name
    for name in ("zen", "jacob_fro", "croze_gaussian", "r_score_psi"):
        assert not np.array_equal(other.values[name], every.values[name]), name


def test_a_gpu_would_neither_round_to_tf32_nor_draw_lots() -> None:
    """As in a build, of which scores without one would otherwise differ in the third digit."""
    seen = []

    def looks(passes: Passes) -> torch.Tensor:
        seen.append((torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic))
        return torch.zeros(len(passes.stack))

    before = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic
    score(stacked(), images(), labels(), proxies={"looks": Proxy(looks)})
    assert seen == [(False, True)]
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic) == before == (True, False)


def test_a_scored_stack_is_not_touched() -> None:
    stack = stacked()
    before = {name: tensor.clone() for name, tensor in stack.state_dict().items()}
    scored(stack)
    assert all(torch.equal(before[name], tensor) for name, tensor in stack.state_dict().items())
    assert stack.training
    assert all(parameter.grad is None for parameter in stack.parameters())


def test_a_trained_stack_is_scored_with_its_running_statistics() -> None:
    stack = stacked().eval()
    found = score(stack, images(), labels(), ["nwot", "grad_norm", "jacob_fro"])
    assert found.settings["nwot"]["statistics"] == "running"
    with torch.no_grad():
        for name, tensor in stack.state_dict().items():
            if name.endswith("running_mean"):
                tensor.uniform_(-0.5, 0.5, generator=torch.Generator().manual_seed(1))
    other = score(stack, images(), labels(), ["nwot", "grad_norm", "jacob_fro"])
    for name in found.values:
        assert not np.allclose(found.values[name], other.values[name]), name


# Failures


def test_a_network_whose_output_ignores_its_input_has_no_score_but_a_size() -> None:
    for cells in ((*CELLS, CONSTANT), (CONSTANT,), (NOTHING,)):
        found = scored(stacked(cells))
        for name in PROXIES:
            if name in ("params", "flops", "l2_norm"):
                assert np.isfinite(found.values[name]).all()
                assert name not in found.failures
            else:
                assert np.isnan(found.values[name][-1])
                assert np.isfinite(found.values[name][:-1]).all(), name
                assert found.failures[name] == {"the output ignores the input": 1}


def test_a_batch_that_is_too_small() -> None:
    found = score(stacked(), images(4), labels(4), proxies=QUICK)
    assert found.failures["croze"] == {"a batch of 4 images, of at least 8": 3}
    assert found.failures["r_score_psi"] == {"a batch of 4 images, of at least 16": 3}
    assert np.isnan(found.values["croze"]).all()
    assert np.isfinite(found.values["jacov"]).all()
    assert score(stacked(), images(1), labels(1), ["jacov"]).failures == {"jacov": {"a batch of 1 images, of at least 2": 3}}


def test_a_batch_of_one_class() -> None:
    found = score(stacked(), images(), torch.zeros(16, dtype=torch.int64), ["epe_nas", "snip"])
    assert found.failures == {"epe_nas": {"1 class in the batch, of at least 2": 3}}
    assert np.isfinite(found.values["snip"]).all()


def test_a_data_set_of_one_class() -> None:
    stack = initialised(CELLS, replace(SKELETON, classes=1), MEAN, STD).double()
    found = score(stack, images(), torch.zeros(16, dtype=torch.int64), proxies=QUICK)
    without = {"params", "flops", "l2_norm", "synflow", "nwot", "jacov", "zen", "jacob_fro", "r_score_psi", "r_score_psi_equations"}
    without |= {"croze_gaussian_features", "croze_gaussian_parameters"}
    for name in PROXIES:
        assert np.isfinite(found.values[name]).all() == (name in without), name
    assert found.failures.pop("epe_nas") == {"1 class in the batch, of at least 2": 3}
    assert found.failures == {
        name: {"a data set of one class, whose loss is always zero": 3} for name in {*PROXIES} - without - {"epe_nas"}
    }


def test_values_that_are_not_finite_are_missing_and_counted() -> None:
    stack = stacked()
    stack.state(1)["classifier.weight"].fill_(torch.inf)
    found = score(stack, images(), labels(), ["l2_norm", "snip", "jacov"])
    for name in found.values:
        assert np.isnan(found.values[name]).tolist() == [False, True, False], name
        assert found.failures[name] == {"the value is not finite": 1}


def test_unknown_names_and_what_is_no_batch() -> None:
    with pytest.raises(ProxyError, match=r"'synflo' is not a proxy. Did you mean 'synflow' or 'flops'\? Known: params"):
        score(stacked(), images(), labels(), ["synflo"])
    with pytest.raises(InvalidArgument, match=r"seed=-1 is not a seed; expected an integer of at least 0"):
        score(stacked(), images(), labels(), ["nwot"], seed=-1)
    with pytest.raises(ProxyError, match=r"images are torch.float64 \(2, 8, 8\); expected floats"):
        score(stacked(), images()[0], labels())
    with pytest.raises(ProxyError, match=r"labels are torch.float32 \(16,\) for 16 images; expected int64"):
        score(stacked(), images(), labels().float())
    with pytest.raises(ProxyError, match=r"labels are torch.int64 \(8,\) for 16 images; expected int64, one for each"):
        score(stacked(), images(), labels(8))
    with pytest.raises(ProxyError, match=r"images have 1 channels; expected 2, as these networks take"):
        score(stacked(), images()[:, :1], labels())
    with pytest.raises(ProxyError, match=r"labels are 1 to 3; expected 0 to 2, as these networks have 3 classes"):
        score(stacked(), images(), labels() + 1)


def test_who_waits_is_told_of_every_proxy_that_is_done() -> None:
    told: list[str] = []
    score(stacked(), images(4), labels(4), ["snip", "croze", "params", "snip"], notice=told.append)
    assert told == ["snip", "croze", "params"]


# From a data set


def test_cells_are_scored_on_a_seeded_batch_of_a_data_set(tiny_images: str) -> None:
    data = load(tiny_images)
    options = {"channels": 3, "cells_a_stage": 1, "batch_size": 8, "init": "xavier"}
    found = score_untrained(CELLS, data, ["snip", "params"], **options)  # type: ignore[arg-type]
    assert np.array_equal(found.values["snip"], score_untrained(CELLS, data, ["snip"], **options).values["snip"])  # type: ignore[arg-type]
    other = score_untrained(CELLS, data, ["snip"], seed=1, **options)  # type: ignore[arg-type]
    assert not np.array_equal(found.values["snip"], other.values["snip"])
    assert found.settings["snip"] == {
        "init": "xavier",
        "channels": 3,
        "cells": 1,
        "dataset": data.name,
        "seed": 0,
        "batch_size": 8,
        "statistics": "of the batch",
    }
