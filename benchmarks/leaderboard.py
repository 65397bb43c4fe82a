"""Everything built in, judged on the published data: proxies, predictors and searches.  Writes docs/leaderboard.md.

Needs the published data (ROBBENCH_REFERENCE, or ../shared/reference beside the repository) and the extra `surrogates`.  What is finished is kept in
scratch/leaderboard: cut it whenever you like, and go on with the same command.  Half an hour of two cores; it gives way to whatever else runs.

    python benchmarks/leaderboard.py                       # writes docs/leaderboard.md
    python benchmarks/leaderboard.py --out report.html     # the same elsewhere, in any form of a report
    python benchmarks/leaderboard.py --only searches       # measures this part, and writes nothing
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from published import REFERENCE, ROOT, TARGETS

from robbench import RobBench
from robbench.judge import Report, Section, from_store, judge_predictor, judge_proxy, judge_search
from robbench.judge.comparing import KINDS
from robbench.judge.figures import Dots, Lines
from robbench.judge.report import made_by, write
from robbench.measurements.metrics import parse
from robbench.measurements.tables import held_proxies
from robbench.papers import reported
from robbench.papers.reported import TABLES
from robbench.sources import import_source

FOLDER = ROOT / "scratch" / "leaderboard"
DOCUMENT = ROOT / "docs" / "leaderboard.md"
FILES = (
    ("jung2023", "jung2023"),
    ("nbsuite_zero", "nbsuite_zero/zc_nasbench201_cifar10.csv"),
    ("nbsuite_zero", "nbsuite_zero/zc_nasbench201_ImageNet16-120.csv"),
    ("nasrobbench201", "nasrobbench201/NAS-RobBench-201_html.json"),
)
STANDARD, ADVERSARIAL = "standard", "pgd-8/255"
OBJECTIVES = [*TARGETS, "clean+pgd@1/255"]
SETTINGS: tuple[tuple[str, str, str | None, list[str], int], ...] = (
    ("standard", STANDARD, None, OBJECTIVES, 20),
    ("standard-twin", STANDARD, "twin", OBJECTIVES, 20),
    ("pgd-8-255", ADVERSARIAL, None, ["clean", "fgsm@8/255", "pgd@8/255"], 20),
)
"""Of searches: a folder, the training, the noise, the objectives, and how many runs."""
SPLITS, RESAMPLES, FEW = 3, 200, 40
"""Resamples; few for what proxies add, each for itself."""
SHOWN: dict[str, Any] = {"workers": 2, "progress": True}
SURROGATES = ("blend", "networks", "boosting", "forest", "small", "process", "ridge")
"""All but those along the graph, of which a fit takes twenty seconds of a core, whatever it learns from."""
ONE = "synflow"
"""Of the published proxies, all of which stand in its report."""
Proxies = dict[tuple[str, str], dict[str, pd.DataFrame]]


def store() -> Path:
    """The published data, imported where it is not there yet."""
    path, partial = FOLDER / "published.h5", FOLDER / "partial.h5"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        for source, file in FILES:
            import_source(source, REFERENCE / file, partial)
        partial.rename(path)
    return path


def proxies(bench: RobBench) -> Proxies:
    """For each data set with published proxies, and each of these and each attribute: the tables of its report; intervals are in that of `ONE`, which has all of them."""
    found: Proxies = {}
    for dataset in bench.measurements.store.datasets():
        held = held_proxies(bench.measurements, dataset)
        for name in [*held, *bench.space.attributes] if ONE in held else []:
            resamples = RESAMPLES if name == ONE else FEW
            report = judge_proxy(bench, from_store(bench, name, dataset), datasets=[dataset], resamples=resamples, keep=FOLDER / "proxies")
            found[dataset, name] = {section.title: section.table for section in report.sections}
    return found


def predictors(bench: RobBench) -> pd.DataFrame:
    """Learning curves of the kinds of surrogates that are fitted in seconds; benchmarks/surrogates.py has the others."""
    asked: dict[str, Any] = {"metrics": TARGETS, "splits": SPLITS, "training": STANDARD, "keep": FOLDER / "predictors", **SHOWN}
    return judge_predictor(bench, SURROGATES[0], beside=SURROGATES[1:], limit=None, **asked).section("learning curves")


def searches(bench: RobBench) -> dict[str, Report]:
    """A report of random search beside all others, for each setting."""
    return {
        name: judge_search(
            bench, "random", objectives=objectives, runs=runs, noise=noise, training=training, keep=FOLDER / "searches" / name, **SHOWN
        )
        for name, training, noise, objectives, runs in SETTINGS
    }


def board(found: Proxies, dataset: str, training: str) -> Section:
    """The proxies of a data set, beside each other and the ceiling."""
    tables = {name: by_title for (of, name), by_title in found.items() if of == dataset}
    ranking = pd.concat([by_title["ranking"].assign(proxy=name) for name, by_title in tables.items()])
    ranking["kind"] = [KINDS.get(parse(metric).entry.kind, "") for metric in ranking["metric"]]
    ranking = ranking[(ranking["training"] == training) & (ranking["kind"] != "")]
    means = ranking.pivot_table(index="proxy", columns="kind", values=["ceiling", "partial", "top"])
    whole = tables[ONE]["all proxies"]
    whole = whole[whole["training"] == training].drop(columns=["dataset", "training"]).reset_index(drop=True)
    for column in ("partial", "top"):
        whole[column] = [means[column, "attacks"][name] for name in whole["proxy"]]
    ceilings = {kind: float(means["ceiling", kind].mean()) for kind in KINDS.values() if ("ceiling", kind) in means}
    whole = pd.concat([pd.DataFrame([{"proxy": CEILING, **ceilings}]), whole], ignore_index=True)
    columns = tuple(name for name in ("proxy", "clean", "attacks", "corruptions", "behind", "partial", "top") if whole[name].notna().any())
    says = f"{reading_of_proxies(whole, ceilings)}\n\nOf {whole['n'].max():.0f} classes. {BOARD_SAYS}"
    return Section(f"proxies of {dataset}, {NAMES[training]}", says, whole, columns, figure=Dots((), "proxy", "attacks"))


def reading_of_proxies(whole: pd.DataFrame, ceilings: dict[str, float]) -> str:
    """Which to use for what, as far as the intervals say it."""
    rows = whole[whole["proxy"] != CEILING]
    best, level = rows.iloc[0], rows[(rows["behind_high"] >= 0) & (rows["behind"] < 0)]
    said = [
        f"Under attacks {best['proxy']} ranks best, {best['attacks']:.2f} of the {ceilings['attacks']:.2f} that noise allows; {told_apart(level['proxy'])}."
    ]
    for kind, words in (("clean", "For clean accuracy"), ("corruptions", "Under corruptions")):
        if kind in ceilings:
            first = rows.iloc[int(rows[kind].to_numpy().argmax())]
            near = rows[(rows[f"{kind}_high"] >= first[f"{kind}_low"]) & (rows["proxy"] != first["proxy"])]
            said.append(f"{words} {first['proxy']} does, {first[kind]:.2f} of {ceilings[kind]:.2f}; {overlapping(near['proxy'])}.")
    wrong = rows[rows["attacks_high"] < 0]
    said += [f"What ranks the wrong way round under attacks: {', '.join(wrong['proxy'])}."] if len(wrong) else []
    beyond = rows.iloc[int(rows["partial"].to_numpy().argmax())]
    said.append(f"Among architectures of as many parameters {beyond['proxy']} says most: {beyond['partial']:.2f} under attacks.")
    return " ".join(said)


def told_apart(names: Iterable[str]) -> str:
    """Of differences, whose intervals are of the same resamples."""
    return f"{listed(names)} cannot be told apart from it" if len(list(names)) else "every other one is worse by more than noise"


def overlapping(names: Iterable[str]) -> str:
    """Of intervals that are compared one by one."""
    return f"the intervals of {listed(names)} overlap with its" if len(list(names)) else "no other interval overlaps with its"


def listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def learning(curves: pd.DataFrame) -> Section:
    """Learning curves of surrogates."""
    table = curves.assign(
        noise_ceiling=[f"{row.ceiling:.3f} [{row.ceiling_low:.3f}, {row.ceiling_high:.3f}]" for row in curves.itertuples()]
    )
    ours = table[~table["predictor"].isin(["mean", "parameters"])]
    shares = ours.pivot_table(index="size", columns="predictor", values="share")
    said = []
    for size, row in zip(shares.index, shares.to_numpy(), strict=True):
        first, most = str(shares.columns[int(row.argmax())]), float(row.max())
        least = ours[(ours["size"] == size) & (ours["predictor"] == first)]["share"].min()
        said.append(
            f"from {size} architectures {first} reaches {most:.0%} of the ceiling, mean over metrics, and {least:.0%} where it is least"
        )
    says = f"{'; '.join(said)[0].upper()}{'; '.join(said)[1:]}.\n\n{LEARNING_SAYS}"
    figure = Lines(("metric",), "predictor", "size", "r2", "ceiling")
    return Section(
        "predictors of cifar10, standard training", says, table, ("metric", "noise_ceiling", "predictor"), ("size", "r2"), True, figure
    )


def regrets(report: Report, name: str) -> Section:
    """Regrets of all searches under all objectives, the best by mean rank under one objective first."""
    results = report.section("results")
    single = results[~results["objective"].str.contains("+", regex=False)]
    ranks = single.groupby("algorithm")["rank"].mean().sort_values()
    table = results.assign(rank=[float(ranks[one]) for one in results["algorithm"]]).sort_values("rank", kind="stable")
    says = f"{reading_of_searches(ranks, report.section('tests'))}\n\n{REGRETS_SAYS.format(runs=results['runs'].max())}"
    figure = Dots(("objective",), "algorithm", "regret")
    return Section(f"searches of {name}", says, table, ("algorithm", "rank"), ("objective", "regret"), True, figure)


def reading_of_searches(ranks: pd.Series[float], tests: pd.DataFrame) -> str:
    """Which search finds more than random search, and where, as far as the tests say it."""
    tests = tests[~tests["objective"].str.contains("+", regex=False)]
    decided = tests[tests["p_holm"] < LEVEL]
    objectives = list(dict.fromkeys(tests["objective"]))
    said = [f"Mean ranks under one objective: {', '.join(f'{one} {rank:.1f}' for one, rank in ranks.items())}."]
    better, worse = (
        {one: rows["objective"].tolist() for one, rows in decided[sign].groupby("against")}
        for sign in (decided["difference"] > 0, decided["difference"] < 0)
    )
    for words, found in (("Better than random search by more than luck", better), ("Worse", worse)):
        where = [f"{one} under {'all' if found[one] == objectives else ', '.join(found[one])}" for one in ranks.index if one in found]
        said += [f"{words}: {'; '.join(where)}."] if where else []
    neither = [one for one in ranks.index if one != "random" and one not in better and one not in worse]
    said += [f"Not told apart from random search under any: {listed(neither)}."] if neither else []
    return " ".join(said)


def papers() -> list[Section]:
    """What papers report, table by table."""
    found = []
    for name, entry in TABLES.items():
        rows = reported(table=name)
        if not entry.dataset:
            rows["metric"] = rows["dataset"] + " " + rows["metric"]
        rows["metric"] = (rows["metric"] + " " + rows["attacker"].astype(str)).str.strip()
        values = zip(rows["reported"].to_numpy(np.float64), rows["sd"].to_numpy(np.float64), strict=True)
        rows["text"] = [f"{value:.10g}" + (f" ± {sd:.10g}" if sd == sd else "") for value, sd in values]
        title, says = f"as reported: {entry.paper}, {entry.table}", f"{entry.dataset or 'Several data sets'}: {entry.protocol}."
        found.append(Section(title, says, rows, ("architecture",), ("metric", "text")))
    return found


def composed(bench: RobBench, found: dict[str, Any]) -> Report:
    """The page."""
    sections = [
        board(found["proxies"], "cifar10", STANDARD),
        board(found["proxies"], "cifar10", ADVERSARIAL),
        board(found["proxies"], "ImageNet16-120", ADVERSARIAL),
        learning(found["predictors"]),
        *(regrets(found["searches"][folder], title) for folder, title in SEARCHED.items()),
        *papers(),
    ]
    made = {
        **made_by(bench, 0, resamples=RESAMPLES, splits=SPLITS, budget=100, proxy="synflow"),
        "store": " and ".join(dict(FILES)),
    }
    return Report("leaderboard", "everything built in, on the published data", SUMMARY, (), tuple(sections), made)


CEILING, LEVEL = "(noise ceiling)", 0.05
NAMES = {STANDARD: "standard training", ADVERSARIAL: "adversarial training (PGD at 8/255)"}
SEARCHED = {
    "standard": "cifar10, standard training",
    "standard-twin": "cifar10, standard training, asked with the noise of training",
    "pgd-8-255": "cifar10, adversarial training (PGD at 8/255)",
}
SUMMARY = (
    "Proxies, predictors and searches beside each other and beside what noise allows, on Jung et al. (2023), NAS-Bench-Suite-Zero (2022) and NAS-RobBench-201 (2024). Written"
    " by benchmarks/leaderboard.py, its reading, too; docs/judge.md says how the numbers are made. What papers report of the architectures that their searches found"
    " stands at the end: it was measured by them, and not here.",
)
BOARD_SAYS = (
    "Spearman's correlations over classes with clean accuracy, and means over attacks and corruptions, each at the level at which architectures differ most, with 95%"
    " intervals over groups of twins; behind: less the best's under attacks, in the same resamples; partial: with the parameters partialled out; top: which share of the"
    " best 10% is among the best 10% by the proxy. Means of partial and top are over attacks."
)
LEARNING_SAYS = (
    "R² on architectures of which neither they nor a twin were learned from, mean over splits (least and greatest in brackets), from the structure alone; mean and"
    " parameters are what any must beat. surrogates.md has the slower kinds."
)
REGRETS_SAYS = (
    "regret: how much less, measured without noise, the architecture has that a run of 100 queries takes for the best than the best one, mean over {runs} runs with its 95%"
    " interval; of two objectives, the share of the front's hypervolume that is lacking; empty where a search is of one objective. rank: mean over objectives, of one each."
    " Random search is tested against each other one in runs from the same seeds, by Wilcoxon's test at 5% after Holm's correction. Warm-ups are guided by synflow."
)


PARTS: dict[str, Callable[[RobBench], Any]] = {"proxies": proxies, "predictors": predictors, "searches": searches}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, help="Measure this part, and write nothing.")
    parser.add_argument("--out", type=Path, default=DOCUMENT)
    options = parser.parse_args()
    os.nice(10)
    bench, start = RobBench(store(), dataset="cifar10"), time.process_time()
    found = {name: measure(bench) for name, measure in PARTS.items() if options.only in (None, name)}
    if options.only is None:
        write([composed(bench, found)], options.out)
    print(f"{time.process_time() - start:.0f} s of a core, without what was kept and what workers did", file=sys.stderr)


if __name__ == "__main__":
    main()
