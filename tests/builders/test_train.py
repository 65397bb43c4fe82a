from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from robbench_builders.datasets import Dataset
from robbench_builders.errors import BuildError
from robbench_builders.networks.plain import Network
from robbench_builders.networks.stacked import StackedNetwork
from robbench_builders.precision import exact_convolutions
from robbench_builders.recipes import RECIPES, Adversary, Recipe
from robbench_builders.train import augment, cut_out, fit, generator, train
from robbench.spaces.nb201 import Cell

RECIPE = Recipe("tiny", epochs=3, channels=4, cells=1, batch_size=24, flip=True)
CELLS = [
    Cell.parse("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|"),
    Cell.parse("|nor_conv_1x1~0|+|nor_conv_3x3~0|skip_connect~1|+|none~0|nor_conv_1x1~1|nor_conv_3x3~2|"),
    Cell.parse("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|"),
]


@pytest.fixture(scope="module")
def blobs() -> Dataset:
    """Three classes, each a bright corner in noise: easy to learn in a few steps."""
    rng = np.random.default_rng(0)

    def images(n: int) -> tuple[np.ndarray, np.ndarray]:
        x, y = rng.uniform(0, 0.5, (n, 1, 8, 8)).astype(np.float32), np.arange(n) % 3
        x[y == 0, :, :4, :4] += 0.5
        x[y == 1, :, 4:, 4:] += 0.5
        return x, y

    return Dataset("blobs", *images(60), *images(30), 3)


def weights(stack: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in stack.state_dict().items()}


def test_networks_learn_and_are_ready_to_be_attacked(blobs: Dataset) -> None:
    stack, records = train(CELLS, blobs, replace(RECIPE, epochs=12, flip=False, crop=0), seed=0)
    logits = stack(torch.from_numpy(blobs.test_images))
    accuracy = (logits.argmax(2) == torch.from_numpy(blobs.test_labels)).float().mean(1)
    assert (accuracy[:2] > 0.95).all()
    assert accuracy[2] == pytest.approx(1 / 3)  # its output ignores its input: measured like any other
    assert not stack.training
    assert not any(parameter.requires_grad for parameter in stack.parameters())
    assert all(record.diverged is None and record.seconds > 0 for record in records)
    assert records[0].accuracy > 0.9
    assert records[0].loss < 0.5 < records[2].loss


def test_a_rerun_gives_the_same_bits_and_another_seed_does_not(blobs: Dataset) -> None:
    before = torch.random.get_rng_state()
    (one, first), (same, second), (other, _) = (train(CELLS, blobs, RECIPE, seed=seed) for seed in (0, 0, 1))
    assert all(torch.equal(tensor, weights(same)[name]) for name, tensor in weights(one).items())
    assert [(r.loss, r.accuracy) for r in first] == [(r.loss, r.accuracy) for r in second]
    assert not torch.equal(weights(one)["classifier.weight"], weights(other)["classifier.weight"])
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_network_becomes_the_same_in_every_stack_and_alone(blobs: Dataset) -> None:
    """But for rounding: a plain network, trained by itself, is the second witness."""
    stack, _ = train(CELLS, blobs, RECIPE, seed=3)
    reordered, _ = train(CELLS[1::-1], blobs, RECIPE, seed=3)
    plain = Network(CELLS[1], RECIPE.skeleton(blobs), blobs.mean, blobs.std, generator=generator(3, f"weights/{CELLS[1]}"))
    fit(plain, 1, blobs, RECIPE, seed=3)
    images = torch.from_numpy(blobs.test_images)
    expected = plain.eval()(images)
    torch.testing.assert_close(stack(images)[1], expected, rtol=1e-2, atol=1e-3)
    torch.testing.assert_close(reordered(images)[0], expected, rtol=1e-2, atol=1e-3)


def test_a_diverging_network_is_reported_and_the_others_go_on(blobs: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed, expected = train(CELLS, blobs, RECIPE, seed=0)
    import robbench_builders.train

    def one_network_overflows(cell: Cell, *args: object, **settings: object) -> Network:
        network = Network(cell, *args, **settings)  # type: ignore[arg-type]
        if cell == CELLS[1]:
            with torch.no_grad():
                network.classifier.weight.fill_(torch.inf)
        return network

    monkeypatch.setattr(robbench_builders.train, "plain", one_network_overflows)
    stack, records = train(CELLS, blobs, RECIPE, seed=0)
    assert [record.diverged for record in records] == [None, "the loss was not finite at step 0", None]
    for k in (0, 2):
        assert (records[k].loss, records[k].accuracy) == (expected[k].loss, expected[k].accuracy)
        assert all(torch.equal(tensor, undisturbed.state(k)[name]) for name, tensor in stack.state(k).items())


def test_weights_that_only_the_last_step_spoils_are_found(blobs: Dataset) -> None:
    _, records = train(CELLS[:1], blobs, replace(RECIPE, epochs=1, batch_size=60, learning_rate=float("inf")), seed=0)
    assert records[0].diverged is not None
    assert records[0].diverged.endswith("is not finite after the last step")


def test_adversarial_training_trains_on_attacked_images(blobs: Dataset) -> None:
    pytest.importorskip("robbench_builders.attacks")
    adversary = Adversary(eps=0.3, step=0.1, steps=3)
    recipe = replace(RECIPE, epochs=6, flip=False, crop=0)
    (standard, easy), (robust, hard) = (train(CELLS[:2], blobs, replace(recipe, adversary=who), seed=0) for who in (None, adversary))
    assert all(attacked.loss > plain.loss for attacked, plain in zip(hard, easy, strict=True))
    again, _ = train(CELLS[:2], blobs, replace(recipe, adversary=adversary), seed=0)
    assert all(torch.equal(tensor, weights(again)[name]) for name, tensor in weights(robust).items())
    assert not torch.equal(weights(robust)["classifier.weight"], weights(standard)["classifier.weight"])


def test_the_adversary_of_a_fast_recipe_is_as_fast(blobs: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Autocast, which on a CPU only tests ask for: the attack's passes are in bfloat16, too, and weights still learn."""
    import robbench_builders.train

    monkeypatch.setattr(robbench_builders.train, "_autocast", lambda recipe, device: torch.autocast("cpu", torch.bfloat16))
    seen: list[tuple[bool, torch.dtype]] = []
    stack = StackedNetwork([Network(CELLS[0], RECIPE.skeleton(blobs), blobs.mean, blobs.std, generator=generator(0, "fast"))])
    before = weights(stack)
    stack.stem[0].register_forward_hook(lambda module, given, output: seen.append((stack.training, output.dtype)))
    recipe = replace(RECIPE, epochs=1, batch_size=60, adversary=Adversary(eps=0.1, step=0.05, steps=2))
    loss, _, first_bad = fit(stack, 1, blobs, recipe, seed=0)
    assert seen == [(False, torch.bfloat16)] * 2 + [(True, torch.bfloat16)]
    assert loss.isfinite().all()
    assert first_bad.tolist() == [-1]
    assert all(not torch.equal(weights(stack)[name], before[name]) for name in ("classifier.weight", "stem.0.weight"))


def test_progress_is_told_after_every_epoch(blobs: Dataset) -> None:
    told: list[tuple[int, int]] = []
    train(CELLS[:1], blobs, RECIPE, seed=0, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_augmented_images_are_shifts_and_mirrors_of_the_images() -> None:
    images = torch.rand(40, 2, 8, 16)
    padded = torch.nn.functional.pad(images, (2, 2, 1, 1))
    augmented = augment(images, RECIPE, generator(0, "test"))
    assert augmented.shape == images.shape
    seen = set()
    for image, border in zip(augmented, padded, strict=True):
        candidates = {
            (flip, y, x): (border.flip(2) if flip else border)[:, y : y + 8, x : x + 16]
            for flip in (False, True)
            for y in range(3)
            for x in range(5)
        }
        matches = [how for how, candidate in candidates.items() if torch.equal(candidate, image)]
        assert len(matches) == 1
        seen.add(matches[0])
    assert len({flip for flip, _, _ in seen}) == 2
    assert {y for _, y, _ in seen} == {0, 1, 2}
    assert {x for _, _, x in seen} == {0, 1, 2, 3, 4}


def test_no_augmentation_leaves_images_alone() -> None:
    images = torch.rand(4, 1, 8, 8)
    assert torch.equal(augment(images, replace(RECIPE, flip=False, crop=0), generator(0, "test")), images)


def test_what_is_cut_out_is_a_square_of_the_mean_that_may_leave_the_image() -> None:
    images, mean = torch.rand(300, 2, 8, 6), (2.0, 3.0)
    cut = cut_out(images, 1 / 2, mean, generator(0, "test"))
    outside = cut == images
    assert torch.equal(outside[:, 0], outside[:, 1])
    assert torch.equal(cut[~outside], torch.tensor(mean).view(1, 2, 1, 1).expand_as(images)[~outside])
    seen = set()
    for inside in ~outside[:, 0]:
        rows, columns = inside.any(1).nonzero().flatten().tolist(), inside.any(0).nonzero().flatten().tolist()
        assert int(inside.sum()) == len(rows) * len(columns)
        seen.add((rows[0], len(rows), columns[0], len(columns)))
    # Around each of 8×6 pixels: sides of 4 and 3 from 2 and 1 before it on, without what is beyond the border.
    rows_of = {(max(y - 2, 0), min(y + 2, 8) - max(y - 2, 0)) for y in range(8)}
    columns_of = {(max(x - 1, 0), min(x + 2, 6) - max(x - 1, 0)) for x in range(6)}
    assert seen == {(*row, *column) for row in rows_of for column in columns_of}


def test_training_cuts_out_what_is_augmented_and_before_the_adversary(blobs: Dataset) -> None:
    """One batch, seen by the network as the functions make it; the adversary moves no pixel further than eps from it."""
    recipe, seen = replace(RECIPE, epochs=1, batch_size=60, cutout=1 / 2), list[torch.Tensor]()
    order = torch.randperm(60, generator=generator(0, "order"))
    drawn = generator(0, "augmentation")
    expected = cut_out(augment(torch.from_numpy(blobs.train_images)[order], recipe, drawn), 1 / 2, blobs.mean, drawn)
    plain = Network(CELLS[0], RECIPE.skeleton(blobs), generator=generator(0, "weights"))
    plain.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    fit(plain, 1, blobs, recipe, seed=0)
    assert torch.equal(seen[0], expected)
    stack = StackedNetwork([Network(CELLS[0], RECIPE.skeleton(blobs), generator=generator(0, "weights"))])
    stack.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    fit(stack, 1, blobs, replace(recipe, adversary=Adversary.fast(0.1)), seed=0)
    assert not torch.equal(seen[-1][0], expected)
    assert float((seen[-1][0] - expected).abs().max()) <= 0.1 + 1e-6


@pytest.mark.parametrize("clip", [0.05, 1e3])
def test_gradients_are_clipped_to_a_norm_network_by_network(blobs: Dataset, clip: float) -> None:
    """One step of plain SGD: weights move by the rate times the gradient, as torch clips it for each network alone."""
    recipe = replace(RECIPE, epochs=1, batch_size=60, clip=clip, momentum=0.0, nesterov=False, weight_decay=0.0, flip=False, crop=0.0)

    def made(cell: Cell) -> Network:
        return Network(cell, RECIPE.skeleton(blobs), blobs.mean, blobs.std, generator=generator(0, f"weights/{cell}")).double()

    stack, norms = StackedNetwork([made(cell) for cell in CELLS]), []
    fit(stack, 3, blobs, recipe, seed=0)
    images, labels = torch.from_numpy(blobs.train_images).double(), torch.from_numpy(blobs.train_labels)
    for k, cell in enumerate(CELLS):
        alone, expected = made(cell).train(), made(cell).train()
        fit(alone, 1, blobs, recipe, seed=0)
        torch.nn.functional.cross_entropy(expected(images), labels).backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(expected.parameters(), clip)))
        torch.optim.SGD(expected.parameters(), recipe.learning_rate).step()
        for name, weight in expected.named_parameters():
            torch.testing.assert_close(alone.state_dict()[name], weight.detach(), rtol=1e-5, atol=1e-7)
            torch.testing.assert_close(stack.state(k)[name], weight.detach(), rtol=1e-5, atol=1e-7)
    assert [norm > clip for norm in norms] == [clip < 1, clip < 1, False]  # the third network ignores its images


def test_a_network_that_diverges_clips_no_other(blobs: Dataset) -> None:
    recipe = replace(RECIPE, epochs=1, batch_size=60, clip=0.05)
    stack, alone = (
        StackedNetwork([Network(c, RECIPE.skeleton(blobs), generator=generator(0, f"weights/{c}")) for c in some])
        for some in (CELLS[:2], CELLS[:1])
    )
    with torch.no_grad():
        stack.classifier.weight[1].fill_(torch.inf)
    _, _, first_bad = fit(stack, 2, blobs, recipe, seed=0)
    fit(alone, 1, blobs, recipe, seed=0)
    assert first_bad.tolist() == [-1, 0]
    torch.testing.assert_close(stack.classifier.weight[0], alone.classifier.weight[0], rtol=1e-4, atol=1e-6)


def test_published_recipes_are_the_published_ones() -> None:
    recipe = RECIPES["nb201-200"]
    assert (recipe.channels, recipe.cells, recipe.epochs, recipe.batch_size) == (16, 5, 200, 256)
    assert (recipe.learning_rate, recipe.momentum, recipe.weight_decay) == (0.1, 0.9, 5e-4)
    assert all(recipe.name == name for name, recipe in RECIPES.items())
    assert RECIPES["nb201-12-pgd"].adversary == Adversary(8 / 255, 2 / 255, 7)
    assert round(recipe.crop * 32) == 4


def test_a_precision_that_the_device_does_not_offer(blobs: Dataset) -> None:
    for precision in ("tf32", "bfloat16"):
        with pytest.raises(BuildError, match=f"'tiny' asks for {precision} on cpu; only CUDA devices gain by it"):
            train(CELLS[:1], blobs, replace(RECIPE, precision=precision), seed=0)
    with pytest.raises(BuildError, match="precision='half'; expected one of float32, tf32, bfloat16"):
        train(CELLS[:1], blobs, replace(RECIPE, precision="half"), seed=0)


def test_products_are_exact_where_convolutions_are_and_as_before_elsewhere() -> None:
    torch.set_float32_matmul_precision("high")
    try:
        with exact_convolutions():
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.backends.cudnn.allow_tf32
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")
