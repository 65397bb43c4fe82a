"""Zero-cost proxies: what is said of a network by a batch of images and few passes, most of it before any training.

`score` measures them for a whole stack at once, sharing the passes that they share.  Names are those of `robbench.measurements.metrics`.

    score_cells(cells, data, ["synflow", "nwot"])                   untrained networks of cells, on a batch of the data set
    score(stack.eval(), images, labels, ["jacob_fro", "hessian"])   trained ones: the stack that `builders.train.train` gives
"""

from builders.errors import ProxyError
from builders.proxies.initialise import INITIALISATIONS, initialised
from builders.proxies.passes import Passes
from builders.proxies.rscore import r_score
from builders.proxies.scoring import PROXIES, Proxy, Scores, score, score_cells

__all__ = ["INITIALISATIONS", "PROXIES", "Passes", "Proxy", "ProxyError", "Scores", "initialised", "r_score", "score", "score_cells"]
