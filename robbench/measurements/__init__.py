"""What can be asked of a store, and how a question becomes a column of numbers.

metrics.py        what can be asked: one table of names, one grammar
directions.py     which way each metric is better
question.py       a metric, and where to look for it
lookup.py         from an architecture, however it is written, to its rows
levels.py         from an array over levels and seeds to one number a row
columns.py        what was measured
derived.py        what is computed from what was measured
measurements.py   the two together: questions resolved, answered once, and kept
explanation.py    where a number comes from
joining.py        several metrics side by side
noise.py          training noise, estimated from functional twins
tables.py         answers as pandas tables
"""
