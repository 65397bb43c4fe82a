"""Whom to cite: the papers behind published data and search spaces, each written down once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """A paper.

    Attributes:
        key: of its BibTeX entry.
        authors: each as ``"Family, Given"``.
        title: as published.
        venue: where it appeared, in full; and in short.
        year: of the publication.
        doi: empty where there is none.
    """

    key: str
    authors: tuple[str, ...]
    title: str
    venue: str
    short: str
    year: int
    doi: str = ""

    @property
    def line(self) -> str:
        """The paper in one line, as stores keep it: family names, title, venue."""
        return f"{', '.join(author.partition(',')[0] for author in self.authors)}: {self.title}. {self.short} {self.year}."

    @property
    def bibtex(self) -> str:
        """The paper as a BibTeX entry."""
        journal = self.short == "TPAMI"
        fields = {
            "author": " and ".join(self.authors),
            "title": f"{{{self.title}}}",  # as it is written, whatever a style does to titles
            "journal" if journal else "booktitle": self.venue,
            "year": str(self.year),
            **({"doi": self.doi} if self.doi else {}),
        }
        return entry("article" if journal else "inproceedings", self.key, fields)


_TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"\textbar{}"}
_TEX |= {"{": r"\textbraceleft{}", "}": r"\textbraceright{}", **{character: f"\\{character}" for character in "&%$#_"}}


def escaped(text: str) -> str:
    """A text as LaTeX and BibTeX take it for itself."""
    return "".join(_TEX.get(character, character) for character in text)


def entry(kind: str, key: str, fields: dict[str, str]) -> str:
    """A BibTeX entry."""
    return "\n".join([f"@{kind}{{{key},", *(f"  {name} = {{{value}}}," for name, value in fields.items()), "}"])


_ICLR = ("International Conference on Learning Representations", "ICLR")

SOURCES: dict[str, Reference] = {
    "jung2023": Reference(
        "jung2023neural",
        ("Jung, Steffen", "Lukasik, Jovita", "Keuper, Margret"),
        "Neural Architecture Design and Robustness: A Dataset",
        *_ICLR,
        2023,
    ),
    "natsbench": Reference(
        "dong2021nats",
        ("Dong, Xuanyi", "Liu, Lu", "Musial, Katarzyna", "Gabrys, Bogdan"),
        "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size",
        "IEEE Transactions on Pattern Analysis and Machine Intelligence",
        "TPAMI",
        2021,
        "10.1109/TPAMI.2021.3054824",
    ),
    "nbsuite_zero": Reference(
        "krishnakumar2022nas",
        ("Krishnakumar, Arjun", "White, Colin", "Zela, Arber", "Tu, Renbo", "Safari, Mahmoud", "Hutter, Frank"),
        "NAS-Bench-Suite-Zero: Accelerating Research on Zero Cost Proxies",
        "Advances in Neural Information Processing Systems, Datasets and Benchmarks Track",
        "NeurIPS",
        2022,
    ),
    "nasrobbench201": Reference(
        "wu2024robust",
        ("Wu, Yongtao", "Liu, Fanghui", "Simon-Gabriel, Carl-Johann", "Chrysos, Grigorios G", "Cevher, Volkan"),
        "Robust NAS under adversarial training: benchmark, theory, and beyond",
        *_ICLR,
        2024,
    ),
    "hwnasbench": Reference(
        "li2021hw",
        (
            "Li, Chaojian",
            "Yu, Zhongzhi",
            "Fu, Yonggan",
            "Zhang, Yongan",
            "Zhao, Yang",
            "You, Haoran",
            "Yu, Qixuan",
            "Wang, Yue",
            "Hao, Cong",
            "Lin, Yingyan",
        ),
        "HW-NAS-Bench: Hardware-Aware Neural Architecture Search Benchmark",
        *_ICLR,
        2021,
    ),
    "tiny_robustbench": Reference(
        "feng2025zero",
        ("Feng, Yuqi", "Ou, Yuwei", "Fan, Jiahao", "Sun, Yanan"),
        "Zero-Cost Proxy for Adversarial Robustness Evaluation",
        *_ICLR,
        2025,
    ),
    "nares": Reference(
        "zheng2025nares",
        ("Zheng, Bowen", "Cheng, Ran", "Huang, Shihua", "Lu, Zhichao", "Boddeti, Vishnu"),
        "A Neural Architecture Dataset for Adversarial Robustness",
        "OpenReview, submitted to the International Conference on Learning Representations",
        "OpenReview",
        2025,
    ),
}
"""By the name of the source, as `robbench import` and the provenance of an array have it."""

SPACES: dict[str, Reference] = {
    "nb201": Reference(
        "dong2020nas",
        ("Dong, Xuanyi", "Yang, Yi"),
        "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search",
        *_ICLR,
        2020,
    ),
    "darts": Reference(
        "liu2019darts", ("Liu, Hanxiao", "Simonyan, Karen", "Yang, Yiming"), "DARTS: Differentiable Architecture Search", *_ICLR, 2019
    ),
    "wrn": Reference(
        "zagoruyko2016wide",
        ("Zagoruyko, Sergey", "Komodakis, Nikos"),
        "Wide Residual Networks",
        "British Machine Vision Conference",
        "BMVC",
        2016,
        "10.5244/C.30.87",
    ),
}
"""By the name of the search space."""
