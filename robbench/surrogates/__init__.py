"""Surrogates: what was not measured, predicted from an architecture's features, with intervals that hold.

models      the interface, and the kinds by name: forest, boosting, networks, blend, one a file
splits      who learns and who judges
conformal   intervals
surrogate   a fitted model with what is said of it
fitting     from a bench and a target to a surrogate
predictions from a store's surrogates to predictions for every architecture
"""

from robbench.surrogates.fitting import fit
from robbench.surrogates.predictions import Predictions, Surrogates
from robbench.surrogates.surrogate import Prediction, Surrogate

__all__ = ["Prediction", "Predictions", "Surrogate", "Surrogates", "fit"]
