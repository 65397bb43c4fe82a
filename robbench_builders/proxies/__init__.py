"""Zero-cost proxies: scores of a network from one batch of images and a few passes, most of them before any training.

`score` computes them for a whole stack at once, with the passes that several proxies need made once.  Names are those of `robbench.measurements.metrics`.

    score_untrained(archs, data, ["synflow", "nwot"])               untrained networks, on a batch of the data set
    score(stack.eval(), images, labels, ["jacob_fro", "hessian"])   trained networks: the stack that `robbench_builders.train.train` gives

    objective("croze", data, DartsSkeleton())                       a score that a search asks for, of any architecture: robbench_builders.proxies.live

    batch_of(data, 2560, part="test")                               images for jacob_fro_10x256 and its like, which average over mini-batches
"""

from robbench_builders.errors import ProxyError
from robbench_builders.proxies.initialise import INITIALISATIONS, initialised
from robbench_builders.proxies.live import LiveProxy, objective, objectives
from robbench_builders.proxies.passes import Passes
from robbench_builders.proxies.registry import KNOWN, PROXIES, VARIANTS, Proxy
from robbench_builders.proxies.scoring import Scores, batch_of, score, score_untrained

__all__ = [
    "INITIALISATIONS",
    "KNOWN",
    "PROXIES",
    "VARIANTS",
    "LiveProxy",
    "Passes",
    "Proxy",
    "ProxyError",
    "Scores",
    "batch_of",
    "initialised",
    "objective",
    "objectives",
    "score",
    "score_untrained",
]
