"""Surrogates: what was not measured, predicted from an architecture's features, with intervals that hold.

models      the interface of every kind of model
kinds       the kinds by name: forest, boosting, networks, blend, graph, ensemble, one a file; of few architectures ridge, process and small, all in small
inputs      features as networks take them
adam        how networks are trained
perceptrons what networks and graph are made of once they are trained
program     the terms of many cells, and networks that run along them
training    how graph is fitted, in torch
trees       what forest and boosting are made of
ubjson      the format in which xgboost saves a model
features    what models see of an architecture
known       measured metrics among the features
residual    what a linear function of known accuracies leaves, learned by any kind
splits      training side and test side, or folds
conformal   intervals
curves      levels between those that were learned, and what falls: accuracies over eps, and the worst case under each attack
surrogate   a fitted model with what is said of it
fitting     from a bench and a target to a surrogate
seen        which architectures a surrogate has learned from, and which are held out
reach       which architectures are far from all that a surrogate has learned from
lacking     what to say where none predicts what is wanted
predictions from a store's surrogates to predictions for every architecture
"""

from robbench.surrogates.fitting import fit
from robbench.surrogates.predictions import Predictions, Surrogates
from robbench.surrogates.seen import Split
from robbench.surrogates.surrogate import Prediction, Surrogate

__all__ = ["Prediction", "Predictions", "Split", "Surrogate", "Surrogates", "fit"]
