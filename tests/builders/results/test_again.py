"""Networks that are measured again, in other company: the store's numbers stay, and what differs by more than rounding is refused."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from robbench_builders.results.again import without_what_is_there
from robbench import Contradiction
from robbench.store import Store
from robbench.store.arrays import Array, Header, Name
from robbench.store.rows import Rows
from robbench.store.writing import extend
from tests.toy_space import TOY, register

ROWS = Rows.of(TOY, TOY.members)
CLASSES, IMAGES = len(ROWS.keys), 200
CLEAN, SNIP = Name("toy", "standard", "clean", "accuracy"), Name("toy", "untrained", "snip", "value")
BITS = CLEAN._replace(measure="outcomes")


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)


def built(accuracy: float, snip: float, seeds: list[float | int | str], bits: int = 0b11110000) -> list[Array]:
    """Every network with this accuracy and this proxy; the first class was not built."""
    accuracies, proxies = np.full((CLASSES, len(seeds)), accuracy), np.full((len(ROWS.exact), len(seeds)), snip)
    accuracies[0] = np.nan
    about = {"source": "robbench build", "images": IMAGES}
    outcomes = np.full((CLASSES, len(seeds), IMAGES // 8), bits, np.uint8)
    return [
        Array(CLEAN, Header("class", {"seed": seeds}, "fraction", about), accuracies),
        Array(BITS, Header("class", {"seed": seeds, "image": []}, "bit", about), outcomes),
        Array(SNIP, Header("exact", {"seed": seeds}, "1", {"source": "robbench build"}), proxies),
    ]


def put(path: Path, arrays: list[Array]) -> None:
    extend(path, ROWS, without_what_is_there(arrays, ROWS, path), joined=lambda name, present, new: new)


def test_what_differs_by_rounding_is_kept_as_it_was_and_the_rest_is_added(tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    put(path, built(0.5, 3.0, [0]))
    put(path, built(0.5 + 2 / IMAGES, 3.0 * (1 + 1e-6), [0, 1], bits=0b00001111))
    with Store(path) as store:
        assert store.header(CLEAN).axes == {"seed": [0, 1]}
        assert np.array_equal(store.read(CLEAN)[1:], np.tile([0.5, 0.51], (CLASSES - 1, 1)))
        assert np.isnan(store.read(CLEAN)[0]).all()
        assert np.array_equal(np.unique(store.read(BITS)[1:, 0]), [0b11110000])
        assert np.array_equal(np.unique(store.read(BITS)[1:, 1]), [0b00001111])
        assert (store.read(SNIP)[:, 0] == 3.0).all()


@pytest.mark.parametrize(("accuracy", "snip", "what"), [(0.5 + 3 / IMAGES, 3.0, "clean"), (0.5, 3.01, "snip")])
def test_what_differs_by_more_is_of_another_network(accuracy: float, snip: float, what: str, tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    put(path, built(0.5, 3.0, [0]))
    before = path.read_bytes()
    with pytest.raises(Contradiction, match=rf"toy/.*/{what}"):
        put(path, built(accuracy, snip, [0]))
    assert path.read_bytes() == before
