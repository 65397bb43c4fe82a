"""Figures of a store, by matplotlib (the extra `plots`); each function returns a `Figure` and leaves pyplot and its settings alone.

boxes.py      accuracies over eps and over severities
cells.py      an architecture drawn; the best ones side by side
confusion.py  confusion matrices and confidences
curves.py     accuracy over eps of chosen architectures; incumbents of searches
figures.py    all of these by kind: what `bench.plot` offers
heatmap.py    rank correlations
importance.py feature importance, with errors
levels.py     eps on an axis
picture.py    how a figure shows itself in a notebook
saving.py     PDF, SVG, PNG
scatter.py    two metrics of every architecture, how many lie where, and their Pareto front
style.py      sizes, colours, lines and headings
top.py        what the best architectures choose, edge by edge

Figures are as wide as a paper's column (`COLUMN`) or page (`PAGE`), no higher than one, and have no text below 7 pt.  They name the data set, and say
metrics in words (`robbench.measurements.wording`).  What colour tells apart, a marker, a line style or a number tells apart too.
"""

from robbench.plots.boxes import accuracy_boxes, threats_of
from robbench.plots.cells import best_cells, cell_drawing
from robbench.plots.confusion import class_matrix, confidence_curves
from robbench.plots.curves import eps_curves, search_curves
from robbench.plots.heatmap import correlation_heatmap
from robbench.plots.importance import importance_bars, importance_groups
from robbench.plots.saving import save
from robbench.plots.scatter import scatter
from robbench.plots.style import COLUMN, PAGE
from robbench.plots.top import top_choices

__all__ = [
    "COLUMN",
    "PAGE",
    "accuracy_boxes",
    "best_cells",
    "cell_drawing",
    "class_matrix",
    "confidence_curves",
    "correlation_heatmap",
    "eps_curves",
    "importance_bars",
    "importance_groups",
    "save",
    "scatter",
    "search_curves",
    "threats_of",
    "top_choices",
]
