"""Measure it yourself: train the networks of a search space and attack them.  Needs torch; `robbench` never imports this package."""
