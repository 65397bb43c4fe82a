"""Searches: one algorithm a file, all called alike.

from robbench.search import ALGORITHMS, Space

result = ALGORITHMS["evolution"](bench.oracle("pgd@1/255", budget=300), Space(), np.random.default_rng(0))
result.best, result.value, result.incumbents
"""

from robbench.search.algorithms import ALGORITHMS, Algorithm, algorithm
from robbench.search.asking import asking
from robbench.search.result import Found, Result
from robbench.spaces.subset import Space

__all__ = ["ALGORITHMS", "Algorithm", "Found", "Result", "Space", "algorithm", "asking"]
