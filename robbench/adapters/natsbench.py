"""NATS-Bench's questions, answered from a store: for code that was written for its API.

api = NATSBench(bench)
api.get_more_info(index, "cifar10", hp="200")["test-accuracy"]        93.66: in percent, as NATS-Bench gives it

Everything else in RobBench is a fraction in [0, 1].  What differs from NATS-Bench: an unknown architecture raises instead of being -1; the
answer is of 200 epochs, and a mean over what was trained, unless the store holds one network only; a key that the store cannot answer
(losses, times) is not there, and asking for it raises.  Nothing is printed.

Which array answers which key is a matter of which images it is of, and that its provenance says:

    images                      NATS-Bench's split     cifar10          cifar100, ImageNet16-120     held by
    the whole test set          ori-test               test-accuracy    valtest-accuracy             jung2023, a full build; natsbench on cifar10
    one half of it              x-test                 -                test-accuracy                natsbench

Where natsbench and jung2023 both hold a key (cifar10), it is natsbench's mean over seeds.  Where they hold two keys of one dataset, these are of two
networks: the exact cell's, and the one that was evaluated for its class; so a ``valid-accuracy`` does not follow from them, and is not given.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from robbench.errors import InvalidArgument, NotMeasured, UnknownArchitecture
from robbench.measurements.lookup import Architecture
from robbench.sources.natsbench import SPLITS, TRAINING
from robbench.spaces.nb201 import NB201, SIZE
from robbench.store.arrays import Name

if TYPE_CHECKING:
    from robbench.bench import RobBench

V = TypeVar("V")
EPOCHS = 200
KEYS = {
    "cifar10": {"ori-test": "test-accuracy"},
    "cifar100": {"x-test": "test-accuracy", "ori-test": "valtest-accuracy"},
    "ImageNet16-120": {"x-test": "test-accuracy", "ori-test": "valtest-accuracy"},
}
"""What NATS-Bench calls the accuracy on each split of each dataset."""
_TEST_IMAGES = {"cifar10": 10_000, "cifar100": 10_000, "ImageNet16-120": 6_000}
_PROTOCOLS = (TRAINING, "standard")


class Info(dict[str, V]):
    """What the store can answer; any other key raises NotMeasured."""

    def __missing__(self, key: str) -> V:
        raise NotMeasured(f"{key!r} is not in the store, and is not made up; it has {', '.join(self) or 'nothing'}.")


class NATSBench:
    """The topology space, through the methods of NATS-Bench's API (Dong, Liu, Musial and Gabrys, 2021).

    An accuracy is the mean over seeds of the exact cell where the store holds natsbench's data, else that of the one network of its class
    that Jung et al. (2023) evaluated.

    Arguments:
        bench: of a store that carries the published index (natsbench or jung2023).

    Raises:
        InvalidArgument: its store is of another search space.
        UnknownArchitecture: it carries no index.
    """

    def __init__(self, bench: RobBench) -> None:
        if bench.space is not NB201:
            raise InvalidArgument(f"{bench.path.name} is of {bench.space.title}; NATS-Bench's topology space is {NB201.title}.")
        bench.parse(0)
        self._bench = bench
        self._protocol = {dataset: held for dataset in KEYS if (held := self._held(dataset))}

    def _held(self, dataset: str) -> dict[str, str]:
        """The keys of a dataset that the store can answer, each with the training protocol whose array does."""
        store = self._bench.measurements.store
        held: dict[str, str] = {}
        for protocol in _PROTOCOLS:
            name = Name(dataset, protocol, "clean", "accuracy")
            key = KEYS[dataset].get(_split(dataset, store.header(name).provenance)) if name in store else None
            if key is not None:
                held.setdefault(key, protocol)
        return held

    def __len__(self) -> int:
        return SIZE

    def __getitem__(self, index: int) -> str:
        return self.arch(index)

    def __iter__(self) -> Iterator[str]:
        return map(self.arch, range(SIZE))

    def arch(self, index: int) -> str:
        """The arch string of a published index; raises UnknownArchitecture."""
        if isinstance(index, str):
            raise UnknownArchitecture(f"{index!r} is a string; arch takes a published index, query_index_by_arch an arch string.")
        return str(self._bench.parse(index))

    def query_index_by_arch(self, arch: Architecture) -> int:
        """The published index of an arch string, a Cell, six operations, or an index; raises UnknownArchitecture, and is never -1."""
        index = self._bench.published_index(arch)
        assert index is not None, "the index was there when this was made"
        return index

    def query_by_arch(self, arch: Architecture, hp: str | int = EPOCHS) -> str:
        """The arch string and the test accuracies (percent) that the store holds, as text: a line for each dataset."""
        index = self.query_index_by_arch(arch)
        found = {dataset: self.get_more_info(index, dataset, hp=hp) for dataset in self._protocol}
        lines = [f"{dataset:14s} {key} = {value:.2f}%" for dataset, info in found.items() for key, value in info.items()]
        return "\n".join([self.arch(index), *lines])

    query_info_str_by_arch = query_by_arch

    def get_more_info(
        self, index: Architecture, dataset: str, iepoch: int | None = None, hp: str | int = EPOCHS, is_random: bool = False
    ) -> Info[float]:
        """What the store holds of a network: its accuracies on test images, in percent, under the keys of `KEYS`.

        Arguments:
            index: a published index, or anything else that names an architecture.
            dataset: ``"cifar10"``, ``"cifar100"`` or ``"ImageNet16-120"``.
            iepoch: the last epoch only: None, or 199.
            hp: 200 epochs only.
            is_random: a mean is given, never one of the trials.

        Raises:
            UnknownArchitecture: no such architecture.
            NotMeasured: no such dataset in the store, or options that it has no data for.
        """
        if str(hp) != str(EPOCHS) or iepoch not in (None, EPOCHS - 1) or is_random is not False:
            raise NotMeasured(
                f"hp={hp!r}, iepoch={iepoch!r}, is_random={is_random!r} is not in the store; it holds the end of {EPOCHS} epochs, not single"
                f" trials: hp='{EPOCHS}', is_random=False."
            )
        if dataset not in self._protocol:
            raise NotMeasured(
                f"the store has no test accuracy of {dataset!r}; it has those of {', '.join(self._protocol) or 'no dataset'}."
            )
        cell = self._bench.parse(self.query_index_by_arch(index))
        found, refusal = Info[float](), None
        for key, protocol in self._protocol[dataset].items():
            try:
                found[key] = 100 * self._bench.query(cell, "clean", dataset=dataset, training=protocol)
            except NotMeasured as error:  # of this network
                refusal = error
        if refusal is not None and not found:
            raise refusal
        return found


def _split(dataset: str, provenance: dict[str, Any]) -> str:
    """Which images an accuracy is of, in NATS-Bench's names; "" where the store does not say, so that nothing passes for what it may not be."""
    source = provenance.get("source")
    known = SPLITS[dataset] if source == "natsbench" else "ori-test" if source == "jung2023" else ""  # imported before provenance said so
    if not known and provenance.get("images") == _TEST_IMAGES[dataset]:
        known = "ori-test"
    return str(provenance.get("split", known))
