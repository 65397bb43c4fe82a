"""What a store's numbers say.

anomalies.py        signs of gradient masking and of broken measurement
correlation.py      rank correlations between metrics and proxies, with intervals
ensemble.py         proxies that vote
neighbors.py        what each single change to an architecture does
pareto.py           Pareto fronts, hypervolume, the best architectures under constraints
ceiling.py          the noise ceiling: how well any predictor can do
resampling.py       the bootstrap of rank statistics
predictability.py   scores of surrogates beside the noise ceiling; feature importance
"""

from robbench.analysis.anomalies import THRESHOLD, anomalies, anomaly_counts
from robbench.analysis.ceiling import Ceiling, Share, ceiling_of, noise_ceiling, share_of
from robbench.analysis.correlation import METHODS, correlation_matrix, correlations, rank_correlation
from robbench.analysis.ensemble import ensemble
from robbench.analysis.neighbors import neighbors
from robbench.analysis.pareto import best, hypervolume, non_dominated, pareto_front
from robbench.analysis.predictability import importance, predictability, subsets

__all__ = [
    "METHODS",
    "THRESHOLD",
    "Ceiling",
    "Share",
    "anomalies",
    "anomaly_counts",
    "best",
    "ceiling_of",
    "correlation_matrix",
    "correlations",
    "ensemble",
    "hypervolume",
    "importance",
    "neighbors",
    "noise_ceiling",
    "non_dominated",
    "pareto_front",
    "predictability",
    "rank_correlation",
    "share_of",
    "subsets",
]
