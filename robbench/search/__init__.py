"""Searches: an oracle with a budget, and the algorithms that spend it, one a file, all called alike.

from robbench.search import ALGORITHMS

result = ALGORITHMS["evolution"](bench.oracle("pgd@1/255", budget=300), bench.space, np.random.default_rng(0))
result.best, result.value, result.incumbents()

    objectives.py    what an oracle answers with: metrics, predictions, functions
    live.py          oracle_of: an oracle of functions over a whole space, without a store
    oracle.py        Oracle: a budget, and what counts as the same architecture
    history.py       what was charged, as a table; incumbents and fronts
    evaluation.py    how a search evaluates architectures: scores, and when it ends
    algorithms.py    the algorithms by name
    predictors.py    what BANANAS learns with
    proxy.py         proxies that guide a search
    domination.py    Pareto fronts and crowding
    result.py        what a search found
    repeated.py      one search from many seeds, in several processes
"""

from robbench.search.algorithms import ALGORITHMS, Algorithm, algorithm
from robbench.search.evaluation import evaluating
from robbench.search.live import oracle_of
from robbench.search.result import Found, Result

__all__ = ["ALGORITHMS", "Algorithm", "Found", "Result", "algorithm", "evaluating", "oracle_of"]
