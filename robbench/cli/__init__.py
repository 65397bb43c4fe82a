"""The `robbench` command: each subcommand is a few lines over the library.

    main.py      the group
    options.py   options, arguments and examples that commands share
    tables.py    tables as text, as JSON and in files
    completion.py  what Tab offers
    wording.py   the library's errors in the words of the command line
    ask.py       info, query, top, table, explain, predict
    show.py      show: one architecture, and which others are the same
    fetch.py     fetch: published files into a cache
    stores.py    import, fit, verify
    remove.py    remove: measurements taken out of a store
    analyse.py   correlate, pareto, best, neighbors, anomalies, importance
    search.py    search
    judge.py     judge proxy, search, predictor
    papers.py    papers
    cite.py      cite
    plot.py      plot boxes, correlation, scatter, importance, curves, search, architecture, best, …
    explore.py   explore

Exit status: 0 fine; 1 the data has no answer, or is not what it should be; 2 wrong usage.
"""

from robbench.cli.main import main

__all__ = ["main"]
