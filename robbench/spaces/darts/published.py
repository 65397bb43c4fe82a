"""Architectures by the names under which papers know them.

A genotype is that of a paper's repository, and may belong to another run than a table's row; `robbench_builders.networks.darts` has their parameters beside the
published ones.
"""

from __future__ import annotations

from typing import NamedTuple

from robbench.arguments import nearest
from robbench.errors import UnknownArchitecture
from robbench.spaces.darts.genotype import Genotype


class Published(NamedTuple):
    """An architecture that a paper found."""

    genotype: str
    source: str


PUBLISHED: dict[str, Published] = {
    "darts-v1": Published(
        "sep3~0+sep3~1|skip~0+sep3~1|skip~0+sep3~1|sep3~0+skip~2//max~0+max~1|max~0+skip~2|max~0+skip~2|avg~0+skip~2",
        "Liu, Simonyan and Yang (ICLR 2019), first order; quark0/darts",
    ),
    "darts-v2": Published(
        "sep3~0+sep3~1|sep3~0+sep3~1|skip~0+sep3~1|skip~0+dil3~2//max~0+max~1|max~1+skip~2|max~0+skip~2|max~1+skip~2",
        "Liu, Simonyan and Yang (ICLR 2019), second order; quark0/darts",
    ),
    "pdarts": Published(
        "skip~0+dil3~1|skip~0+sep3~1|sep3~1+sep3~3|sep3~0+dil5~4//avg~0+sep5~1|sep3~0+dil5~2|max~0+dil3~1|dil3~1+dil5~3",
        "Chen, Xie, Wu and Tian (ICCV 2019); chenxin061/pdarts",
    ),
    "pc-darts": Published(
        "skip~0+sep3~1|sep3~0+dil3~1|sep5~0+sep3~1|avg~0+dil3~1//max~0+sep5~1|sep5~1+sep5~2|sep3~0+sep3~3|sep3~1+sep3~2",
        "Xu et al. (ICLR 2020); yuhuixu1993/PC-DARTS",
    ),
    "racl": Published(
        "sep3~0+sep3~1|sep5~0+skip~1|sep3~0+skip~3|sep3~3+skip~4//sep3~0+sep5~1|avg~0+dil3~1|sep3~0+sep5~1|sep3~2+dil3~3",
        "Dong, Li, Wang and Xu (2020)",
    ),
    "advrush": Published(
        "sep3~0+sep3~1|sep5~0+sep3~1|sep3~0+sep3~1|skip~0+sep3~1//sep3~0+sep3~1|skip~0+dil3~2|skip~0+avg~1|skip~0+skip~2",
        "Mok, Na, Choe and Yoon (ICCV 2021); nutellamok/advrush",
    ),
    "lrnas": Published(
        "avg~0+max~1|skip~0+sep3~1|avg~1+sep3~2|max~0+max~3//none~0+none~1|max~0+sep5~2|skip~1+avg~2|max~3+skip~4",
        "Feng et al. (2024); fyqsama/LRNAS",
    ),
    "zcprob": Published(
        "sep3~0+sep5~1|sep3~0+dil5~1|skip~2+sep3~3|dil3~2+skip~4//avg~0+sep3~1|sep3~1+dil5~2|avg~0+skip~3|skip~1+max~4",
        "Feng, Ou, Fan and Sun (ICLR 2025)",
    ),
    "robot": Published(
        "skip~0+dil3~1|max~1+dil3~2|avg~0+sep5~1|sep5~2+sep5~3//max~0+avg~1|skip~0+avg~2|max~0+max~2|skip~3+sep5~4",
        "He, Shu, Dai and Low (ICLR 2024); hzf1174/RoBoT",
    ),
    "trnas": Published(
        "sep5~0+sep5~1|skip~0+sep5~1|avg~1+sep5~3|skip~1+sep5~4//sep5~0+sep5~1|sep5~0+sep5~1|sep5~0+sep5~1|sep5~1+sep5~3",
        "Yang et al. (CVPR 2025); fly2tortoise/TRNAS",
    ),
}


def published(name: str) -> Genotype:
    """The genotype of a name, in any case, with ``-`` or ``_``.

    Raises:
        UnknownArchitecture: no architecture of that name is known; says which is nearest.
    """
    found = name.lower().replace("_", "-")
    if found not in PUBLISHED:
        raise UnknownArchitecture(
            f"{name!r:.100} is not a genotype, nor the name of a published architecture.{nearest(found, PUBLISHED)}"
            f" Known: {', '.join(PUBLISHED)}."
        )
    return Genotype.parse(PUBLISHED[found].genotype)
