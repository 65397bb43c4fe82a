"""What a store's numbers say.

predictability.py   scores of surrogates beside the noise ceiling; what features are worth
"""

from robbench.analysis.predictability import Ceiling, ceiling_of, importance, noise_ceiling, predictability, subsets

__all__ = ["Ceiling", "ceiling_of", "importance", "noise_ceiling", "predictability", "subsets"]
