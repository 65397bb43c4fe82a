"""Report cards of methods that someone brings, beside all that a store knows.

report = judge_proxy(bench, live(bench, function, "mine:score"))
report.section("ranking"), report.faults, report.json(), report.markdown()

    methods.py       what is called ``module:name``
    calling.py       time limits; what a method does wrong, counted
    scoring.py       scores of a function, of a CSV file, of a store
    proxy.py         the report card of a proxy
    comparing.py     a score beside the proxies of the store
    ranking.py       rank statistics of many resamples at once
    gains.py         what a score adds to a predictor
    search.py        the report card of a search
    stores.py        the stores that it is judged on
    searching.py     its runs, and what their queries were worth
    standing.py      where it stands among others
    significance.py  whether searches differ by more than luck
    watched.py       one run: an oracle that can be asked and read, and nothing else
    predictor.py     the report card of a predictor
    learning.py      its fits, and how well they predict
    suited.py        whether they can be fitted as they are asked to be
    fitting.py       predictors that are fitted and asked alike
    lukasik.py       the predictor of Lukasik et al. (2023)
    intervals.py     intervals of those that have none of their own, and what intervals are worth
    asking.py        what methods are judged by, if nobody says it
    keeping.py       what a report took, for one that was cut to go on
    report.py        tables, and what made their numbers
    page.py          the same as a page of HTML
    figures.py       its figures
"""

from robbench.judge.methods import Method
from robbench.judge.predictor import judge_predictor
from robbench.judge.proxy import judge_proxy
from robbench.judge.report import Report, Section
from robbench.judge.scoring import Scores, from_csv, from_store, live
from robbench.judge.search import judge_search

__all__ = ["Method", "Report", "Scores", "Section", "from_csv", "from_store", "judge_predictor", "judge_proxy", "judge_search", "live"]
