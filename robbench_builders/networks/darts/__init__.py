"""Networks of DARTS.

network.py      one genotype → one plain network, written to be read
operations.py   the operations on a cell's edges, plain and stacked, and what they cost
stacked.py      many networks as one module
"""

from robbench_builders.networks.darts.network import EVALUATION, DartsNetwork, DartsSkeleton, concatenated, flops, parameters, work
from robbench_builders.networks.darts.stacked import StackedDarts

__all__ = ["EVALUATION", "DartsNetwork", "DartsSkeleton", "StackedDarts", "concatenated", "flops", "parameters", "work"]
