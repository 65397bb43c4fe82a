from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from robbench import InvalidArgument, NotMeasured, RobBench
from robbench.analysis import anomalies, anomaly_counts
from robbench.spaces.nb201 import SIZE
from robbench.store.arrays import Array
from robbench.store.writing import extend
from tests.synthetic import CLASSES, ROWS, array

EPS = {"eps": [1 / 255, 2 / 255, 8 / 255]}
RISING, MASKED, WEAK, CONSTANT, SNOWY, SLIGHT, GONE = range(7)


def toy(images: int | None = 1000) -> list[Array]:
    """Networks that behave, but for the first few, each of which misbehaves in one way."""

    def like(*accuracies: float) -> np.ndarray:
        return np.tile(np.array(accuracies), (CLASSES, 1))

    clean, fgsm, pgd, square, snow = (
        like(0.9)[:, 0],
        like(0.7, 0.6, 0.4),
        like(0.5, 0.3, 0.1),
        like(0.8, 0.7, 0.5),
        like(0.8, 0.7, 0.6, 0.5, 0.4),
    )
    fgsm[RISING, 2] = 0.75
    square[MASKED, 0] = 0.3
    pgd[WEAK, 1], fgsm[WEAK, 1], fgsm[WEAK, 2] = 0.45, 0.3, 0.2
    clean[CONSTANT], fgsm[CONSTANT], pgd[CONSTANT], square[CONSTANT], snow[CONSTANT] = [0.1] * 5
    snow[SNOWY, 3] = 0.9
    fgsm[SLIGHT, 1] = 0.71
    pgd[GONE] = np.nan
    found = [
        array("toy standard clean accuracy", clean),
        array("toy standard fgsm accuracy", fgsm, EPS),
        array("toy standard pgd accuracy", pgd, EPS),
        array("toy standard square accuracy", square, EPS),
        array("toy standard snow accuracy", snow, {"severity": [1, 2, 3, 4, 5]}),
    ]
    return [
        one._replace(header=one.header._replace(provenance={"source": "toy", **({"images": images} if images else {})})) for one in found
    ]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> RobBench:
    path = tmp_path_factory.mktemp("anomalies") / "toy.h5"
    extend(path, ROWS, toy())
    return RobBench(path)


def test_each_network_that_misbehaves_is_found_and_no_other(odd: RobBench) -> None:
    found = anomalies(odd)
    row = {str(cell): row for row, cell in enumerate(odd.classes)}
    said = {(row[one["arch"]], one["kind"], one["metric"], one["against"]) for _, one in found.iterrows()}
    assert said == {
        (RISING, "rises with eps", "fgsm@8/255", "fgsm@2/255"),
        (MASKED, "black box beats white box", "pgd@1/255", "square@1/255"),
        (WEAK, "weaker beats stronger", "pgd@2/255", "fgsm@2/255"),
        (CONSTANT, "constant", "every accuracy", "every other"),
        (SNOWY, "rises with severity", "snow@4", "snow@3"),
    } | {(MASKED, "rises with eps", f"square@{level}/255", "square@1/255") for level in (2, 8)}
    one = found[found["metric"] == "pgd@2/255"].iloc[0]
    assert (one["value"], one["other"]) == (0.45, 0.3)
    assert one["size"] == pytest.approx(0.15)
    assert one["errors"] == pytest.approx(0.15 / np.sqrt((0.45 * 0.55 + 0.3 * 0.7) / 1000))


def test_noise_is_a_matter_of_images_and_threshold(odd: RobBench) -> None:
    slight = str(odd.classes[SLIGHT])
    assert slight not in set(anomalies(odd)["arch"])
    assert slight in set(anomalies(odd, images=1_000_000)["arch"])
    assert slight in set(anomalies(odd, threshold=0)["arch"])
    counts = anomaly_counts(odd)
    fgsm = counts[(counts["metric"] == "fgsm@2/255") & (counts["against"] == "smaller levels")]
    assert fgsm[["above", "beyond_noise"]].to_numpy().tolist() == [[1, 0]]


def test_counts_are_of_the_report(odd: RobBench) -> None:
    counts, found = anomaly_counts(odd), anomalies(odd)
    assert counts["beyond_noise"].sum() == len(found)
    pgd = counts[counts["metric"] == "pgd@1/255"]
    assert pgd["compared"].tolist() == [CLASSES - 1] * 2
    assert counts.set_index("kind").loc["constant", "above"] == 1
    assert counts["largest"].max() == pytest.approx(0.4)


def test_without_the_number_of_images_there_is_no_noise_to_compare_with(tmp_path: Path) -> None:
    extend(tmp_path / "toy.h5", ROWS, toy(images=None))
    with pytest.raises(
        InvalidArgument, match=r"does not say how many images .* of toy is an accuracy of.*give images=…, such as images=10000"
    ):
        anomalies(RobBench(tmp_path / "toy.h5"))
    assert len(anomalies(RobBench(tmp_path / "toy.h5"), images=1000)) == 7


def test_a_store_in_which_nothing_can_be_compared_has_no_anomalies(tmp_path: Path) -> None:
    extend(tmp_path / "toy.h5", ROWS, toy()[:1])
    assert anomalies(RobBench(tmp_path / "toy.h5")).empty


def test_a_store_without_accuracies_has_nothing_to_compare(tmp_path: Path) -> None:
    extend(tmp_path / "toy.h5", ROWS, [array("toy untrained synflow value", np.ones(SIZE), rows="exact")])
    for find in (anomalies, anomaly_counts):
        with pytest.raises(NotMeasured, match=r"toy\.h5 holds no accuracies of toy, so there is nothing to compare"):
            find(RobBench(tmp_path / "toy.h5"))


def test_a_network_is_constant_under_everything_that_was_measured_of_it(tmp_path: Path) -> None:
    """An attack that was run on a few networks only hides nothing of the others."""
    late = np.full((CLASSES, 1), np.nan)
    late[RISING] = 0.2
    extend(tmp_path / "toy.h5", ROWS, [*toy(), array("toy standard autoattack accuracy", late, {"eps": [8 / 255]})])
    found = anomalies(RobBench(tmp_path / "toy.h5"))
    found = found[found["kind"] == "constant"]
    assert found["arch"].tolist() == [str(RobBench(tmp_path / "toy.h5").classes[CONSTANT])]
    assert found[["value", "other"]].to_numpy().tolist() == [[0.1, 0.1]]
    counts = anomaly_counts(RobBench(tmp_path / "toy.h5")).iloc[-1]
    assert (counts["kind"], counts["compared"], counts["above"]) == ("constant", CLASSES, 1)


def test_the_rescaled_square_is_compared_as_the_published_one_is_and_with_it(tmp_path: Path) -> None:
    """It is the stronger one, and knows no gradients."""
    rescaled = np.tile([0.65, 0.55, 0.35], (CLASSES, 1))
    rescaled[MASKED, 1], rescaled[WEAK, 2] = 0.2, 0.9
    extend(tmp_path / "toy.h5", ROWS, [*toy(), array("toy standard square-rescaled accuracy", rescaled, EPS)])
    bench = RobBench(tmp_path / "toy.h5")
    found = anomalies(bench, images=1000)
    found = found[(found["metric"] + found["against"]).str.contains("rescaled") & ~found["kind"].str.startswith("rises")]
    row = {str(cell): row for row, cell in enumerate(bench.classes)}
    said = {
        (row[one["arch"]], one["kind"], one["metric"], one["against"]) for _, one in found.iterrows() if row[one["arch"]] in (MASKED, WEAK)
    }
    assert (MASKED, "black box beats white box", "pgd@2/255", "square-rescaled@2/255") in said
    assert (WEAK, "weaker beats stronger", "square-rescaled@8/255", "square@8/255") in said


def test_a_threshold_is_not_negative(odd: RobBench) -> None:
    with pytest.raises(InvalidArgument, match="threshold=-1 is not a number of standard errors; expected 0 or more, such as 4"):
        anomalies(odd, threshold=-1)


def test_options_are_spelled_and_counts_are_counts(odd: RobBench) -> None:
    for find in (anomalies, anomaly_counts):
        with pytest.raises(
            InvalidArgument, match=r"has no option 'dataste'\. Did you mean 'dataset'\? Its options: bench, images, threshold, "
        ):
            find(odd, dataste="toy")  # type: ignore[call-arg]
        with pytest.raises(InvalidArgument, match="images=0 is not a number of images; expected an integer of at least 1"):
            find(odd, images=0)


def test_published_data(published: RobBench) -> None:
    found = anomalies(published, images=10_000)
    constant = found[found["kind"] == "constant"]
    ignoring = {str(cell) for cell in published.classes if not cell.depends_on_input}
    assert set(constant["arch"]) == ignoring
    assert (constant["value"] == 0.1).all()
    assert set(found[found["kind"] == "rises with eps"]["metric"].str.partition("@")[0]) == {"fgsm"}
    assert (found["kind"] == "weaker beats stronger").sum() == 0
