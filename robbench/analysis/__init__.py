"""What a store's numbers say.

anomalies.py        signs of gradient masking and of broken measurement
correlation.py      rank correlations between metrics and proxies, with intervals
joining.py          metrics of classes and of exact cells, side by side
neighbors.py        what each single change to an architecture does
pareto.py           Pareto fronts, hypervolume, the best architectures under constraints
predictability.py   scores of surrogates beside the noise ceiling; what features are worth
"""

from robbench.analysis.anomalies import anomalies, anomaly_counts
from robbench.analysis.correlation import correlation_matrix, correlations, rank_correlation
from robbench.analysis.joining import Joined, join
from robbench.analysis.neighbors import neighbors
from robbench.analysis.pareto import best, hypervolume, non_dominated, pareto_front
from robbench.analysis.predictability import Ceiling, ceiling_of, importance, noise_ceiling, predictability, subsets

__all__ = [
    "Ceiling",
    "Joined",
    "anomalies",
    "anomaly_counts",
    "best",
    "ceiling_of",
    "correlation_matrix",
    "correlations",
    "hypervolume",
    "importance",
    "join",
    "neighbors",
    "noise_ceiling",
    "non_dominated",
    "pareto_front",
    "predictability",
    "rank_correlation",
    "subsets",
]
