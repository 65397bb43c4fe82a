"""Surrogates: what was not measured, predicted from an architecture's features, with intervals that hold.

models      the interface, and the kinds by name: forest, boosting, networks, blend, one a file
trees       what forest and boosting are made of
splits      training side and test side
conformal   intervals
surrogate   a fitted model with what is said of it
fitting     from a bench and a target to a surrogate
seen        which architectures a surrogate has learned from, and which are held out
predictions from a store's surrogates to predictions for every architecture
"""

from robbench.surrogates.fitting import fit
from robbench.surrogates.predictions import Predictions, Surrogates
from robbench.surrogates.seen import Split
from robbench.surrogates.surrogate import Prediction, Surrogate

__all__ = ["Prediction", "Predictions", "Split", "Surrogate", "Surrogates", "fit"]
