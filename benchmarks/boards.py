"""The sections of docs/leaderboard.md: tables of what benchmarks/leaderboard.py measured, and what they say in plain words, as far as their intervals and tests do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from robbench.judge import Report, Section
from robbench.judge.comparing import CONTROLS, KINDS
from robbench.judge.figures import Dots, Lines
from robbench.judge.lukasik import LUKASIK
from robbench.measurements.metrics import parse

CEILING, LEVEL = "(noise ceiling)", 0.05
TUNED = "tuned-random"
Tables = Mapping[str, pd.DataFrame]
"""Of a report, by their titles."""


def board(tables: Mapping[str, Tables], whole: str, training: str, title: str) -> tuple[Section, str]:
    """The proxies of a data set, beside each other and the ceiling, and which to use in one sentence.

    Arguments:
        tables: of each proxy those of its report.
        whole: the proxy in whose report all stand side by side, with intervals.
        training: how the networks were trained.
        title: of the section.
    """
    means = _means(tables, "ranking", training)
    ceilings = {kind: float(means["ceiling", kind].mean()) for kind in KINDS.values() if ("ceiling", kind) in means}
    rows = tables[whole]["all proxies"]
    rows = rows[rows["training"] == training].drop(columns=["dataset", "training"]).reset_index(drop=True)
    for column in ("partial", "top"):
        rows[column] = [means[column, "attacks"][name] for name in rows["proxy"]]
    gains = _gains(tables, training)
    for column in GAINS:
        rows[column] = [_gain(gains.loc[name], column) for name in rows["proxy"]]
    says = " ".join(_reading_of_proxies(rows, ceilings, gains))
    table = pd.concat([pd.DataFrame([{"proxy": CEILING, **ceilings}]), rows], ignore_index=True)
    columns = tuple(name for name in BOARD if table[name].notna().any())
    section = Section(
        title, f"{says}\n\nOf {rows['n'].max():.0f} classes. {BOARD_SAYS}", table, columns, figure=Dots((), "proxy", "attacks")
    )
    return section, _short_of_proxies(rows)


def _short_of_proxies(rows: pd.DataFrame) -> str:
    best, most = rows.iloc[0], rows.iloc[int(rows["top"].to_numpy().argmax())]
    beaten, finds = _counted(rows)["behind_high"] < 0, most["top"] > _counted(rows)["top"]
    ranks = f"{best['proxy']} ranks best" if beaten else "none ranks better than the number of parameters by more than noise"
    return f"{ranks}, and {most['proxy'] if finds else 'that number'} finds most of the best tenth"


def _counted(rows: pd.DataFrame) -> pd.Series[float]:
    """The row of the number of parameters."""
    return rows[rows["proxy"] == CONTROLS[0]].iloc[0]


def _means(tables: Mapping[str, Tables], title: str, training: str) -> pd.DataFrame:
    """Means over the metrics of a kind: a row a proxy, columns ``(statistic, kind)``."""
    found = _of_kinds(tables, title, training)
    return found.pivot_table(index="proxy", columns="kind", values=["ceiling", "partial", "top"])


def _of_kinds(tables: Mapping[str, Tables], title: str, training: str) -> pd.DataFrame:
    """A table of all proxies, under one training, of the metrics that are of a kind."""
    found = pd.concat([by_title[title].assign(proxy=name) for name, by_title in tables.items()])
    found["kind"] = [KINDS.get(parse(metric).entry.kind, "") for metric in found["metric"]]
    return found[(found["training"] == training) & (found["kind"] != "")]


def _gains(tables: Mapping[str, Tables], training: str) -> pd.DataFrame:
    """What each proxy adds under attacks, a row a proxy: the mean, under how many of them it is more than noise, and how many there are."""
    attacks = _of_kinds(tables, ADDS, training).query("kind == 'attacks'")
    grouped = attacks.groupby("proxy")
    found = grouped[[*GAINS, *(column.removeprefix("added_to_") for column in GAINS)]].mean()
    for column in GAINS:
        found[f"{column}_sure"] = attacks[f"{column}_low"].gt(0).groupby(attacks["proxy"]).sum()
    return found.assign(attacks=grouped.size())


def _gain(row: pd.Series[float], column: str) -> str:
    return f"{row[column]:+.4f} ({row[f'{column}_sure']:.0f} of {row['attacks']:.0f})"


def _reading_of_proxies(rows: pd.DataFrame, ceilings: Mapping[str, float], gains: pd.DataFrame) -> list[str]:
    """Which to use for what, sentence by sentence."""
    best, level = rows.iloc[0], rows[(rows["behind_high"] >= 0) & (rows["behind"] < 0)]
    said = [
        f"To rank by accuracy under attacks: {best['proxy']}, {best['attacks']:.2f} of the {ceilings['attacks']:.2f} that noise allows; {_told_apart(level['proxy'])}."
    ]
    if _counted(rows)["behind_high"] >= 0:
        said.append("None beats the number of parameters by more than noise.")
    else:
        said.append(f"It beats the number of parameters, {_counted(rows)['attacks']:.2f}, by more than noise.")
    most = rows.iloc[int(rows["top"].to_numpy().argmax())]
    said.append(
        f"To find the best tenth under attacks: {most['proxy']}, whose own best tenth holds {most['top']:.0%} of it (10% by chance)."
    )
    for kind, words in (("clean", "To rank by clean accuracy"), ("corruptions", "To rank by accuracy under corruptions")):
        if kind in ceilings:
            first = rows.iloc[int(rows[kind].to_numpy().argmax())]
            near = rows[(rows[f"{kind}_high"] >= first[f"{kind}_low"]) & (rows["proxy"] != first["proxy"])]
            said.append(f"{words}: {first['proxy']}, {first[kind]:.2f} of {ceilings[kind]:.2f}; {_overlapping(near['proxy'])}.")
    beyond = rows.iloc[int(rows["partial"].to_numpy().argmax())]
    said.append(f"With the number of parameters held fixed, {beyond['proxy']} ranks best under attacks, {beyond['partial']:.2f}.")
    wrong = rows[rows["attacks_high"] < 0]["proxy"]
    said += [f"Ranked the wrong way round under attacks: by {listed(wrong)}."] if len(wrong) else []
    return [*said, *(_reading_of_gains(gains, column, knows) for column, knows in GAINS.items())]


def _reading_of_gains(gains: pd.DataFrame, column: str, knows: str) -> str:
    most = str(gains[column].idxmax())
    sure = gains[gains[f"{column}_sure"] == gains["attacks"]].sort_values(column, ascending=False).index
    who = (
        f"{listed(map(str, sure))} {'add' if len(sure) > 1 else 'adds'} more than noise under every attack"
        if len(sure)
        else "no proxy adds more than noise under every attack"
    )
    known = f"{gains[column.removeprefix('added_to_')].mean():.2f}"
    return f"To a predictor that knows {knows} (R² {known}, mean over attacks), {who}; the most is {gains[column].max():+.4f}, by {most}."


def learning(curves: pd.DataFrame, title: str) -> tuple[list[Section], str]:
    """Surrogates side by side, then their learning curves metric by metric, and which to use in one sentence."""
    ours = curves[~curves["predictor"].isin(BEATEN)]
    shares = ours.pivot_table(index="predictor", columns="size", values="share")
    sizes = [int(size) for size in shares.columns]
    table = pd.DataFrame({f"share_{size}": shares[size] for size in sizes}).sort_values(f"share_{sizes[-1]}", ascending=False)
    table["least_share"] = ours[ours["size"] == sizes[-1]].groupby("predictor")["share"].min()
    for size in sizes:
        table[f"seconds_{size}"] = ours[ours["size"] == size].groupby("predictor")["core_seconds"].mean()
    said, short = [], []
    alike = ours[ours["predictor"] != LUKASIK]  # which is tested on other architectures
    for size in sizes:
        order = shares[size].drop(LUKASIK).sort_values(ascending=False)
        first, second = map(str, order.index[:2])
        r2 = alike[alike["size"] == size].pivot_table(index="metric", columns="predictor", values="r2")
        ahead = int((r2[first] > r2[second]).sum())
        said.append(
            f"From {size} architectures: {first}, {order.iloc[0]:.0%} of the ceiling, mean over metrics; it is ahead of {second}"
            f" ({order.iloc[1]:.0%}) under {ahead} of {len(r2)} metrics."
        )
        short.append(f"{first if ahead == len(r2) else f'{first} or {second}'} from {size}")
    detailed = curves.assign(
        noise_ceiling=[f"{row.ceiling:.3f} [{row.ceiling_low:.3f}, {row.ceiling_high:.3f}]" for row in curves.itertuples()]
    )
    figure = Lines(("metric",), "predictor", "size", "r2", "ceiling")
    return [
        Section(title, f"{' '.join(said)}\n\n{LEARNING_SAYS}", table.reset_index()),
        Section(
            f"{title}, metric by metric", CURVES_SAYS, detailed, ("metric", "noise_ceiling", "predictor"), ("size", "r2"), True, figure
        ),
    ], f"{listed(short)} architectures"


def regrets(random: Report, tuned: Report, title: str) -> tuple[Section, str]:
    """Regrets of all searches under all objectives, the best by mean rank under one objective first; and which to use in one sentence.

    Arguments:
        random: random search, judged beside all others.
        tuned: the same of random search that is tuned.
        title: of the section.
    """
    results = random.section("results")
    single = results[~results["objective"].str.contains("+", regex=False)]
    ranks = single.groupby("algorithm")["rank"].mean().sort_values()
    table = results.assign(rank=[float(ranks[one]) for one in results["algorithm"]]).sort_values("rank", kind="stable")
    order = list(map(str, ranks.index))
    said = [
        f"Mean ranks under one objective: {', '.join(f'{one} {rank:.1f}' for one, rank in ranks.items())}.",
        _against(random.section("tests"), "random search", [one for one in order if one != "random"]),
        _against(tuned.section("tests"), "tuned random search", [one for one in order if one not in ("random", TUNED)]),
    ]
    says = f"{' '.join(said)}\n\n{REGRETS_SAYS.format(runs=results['runs'].max())}"
    section = Section(title, says, table, ("algorithm", "rank"), ("objective", "regret"), True, Dots(("objective",), "algorithm", "regret"))
    return section, f"{order[0]} ranks first{_beside_tuned(tuned.section('tests'), order[0])}"


def _beside_tuned(tests: pd.DataFrame, first: str) -> str:
    if first == TUNED:
        return ""
    better, worse, objectives = _decided(tests, first)
    if not better and not worse:
        return ", though it is not told apart from tuned random search"
    said = [f"{words} tuned random search under {len(where)}" for words, where in (("beats", better), ("loses to", worse)) if where]
    return f", and {' and '.join(said)} of {len(objectives)} objectives"


def _decided(tests: pd.DataFrame, other: str) -> tuple[list[str], list[str], list[str]]:
    """The objectives, one of each, under which a search finds more than the one that was tested against it, and less, as far as tests say it; and all of them."""
    tests = tests[~tests["objective"].str.contains("+", regex=False)]
    decided = tests[(tests["p_holm"] < LEVEL) & (tests["against"] == other)]
    better, worse = (decided[rows]["objective"].tolist() for rows in (decided["difference"] > 0, decided["difference"] < 0))
    return better, worse, list(dict.fromkeys(tests["objective"]))


def _against(tests: pd.DataFrame, whom: str, others: list[str]) -> str:
    """Which searches find more than the one that was tested against each, and which less; those of which the same is to be said, together."""
    together: dict[str, list[str]] = {}
    for one in others:
        better, worse, objectives = _decided(tests, one)
        parts = [f"{words} under {_where(found, objectives)}" for words, found in (("better", better), ("worse", worse)) if found]
        together.setdefault(", ".join(parts) or "not told apart", []).append(one)
    return f"Compared with {whom}, beyond luck: {'; '.join(f'{listed(names)} {said}' for said, names in together.items())}."


def _where(found: list[str], objectives: list[str]) -> str:
    rest = [one for one in objectives if one not in found]
    if not rest:
        return "every objective"
    return f"all but {listed(rest)}" if len(rest) < len(found) else listed(found)


def listed(names: Iterable[str]) -> str:
    """As a sentence lists them."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _told_apart(names: Iterable[str]) -> str:
    """Of differences, whose intervals are of the same resamples."""
    return f"{listed(names)} cannot be told apart from it" if len(list(names)) else "every other one is worse by more than noise"


def _overlapping(names: Iterable[str]) -> str:
    """Of intervals that are compared one by one."""
    return f"the intervals of {listed(names)} overlap with its own" if len(list(names)) else "no other interval overlaps with its own"


BEATEN = ("mean", "parameters")
ADDS = "what it adds to a predictor"
GAINS = {"added_to_structure": "the structure", "added_to_proxies": "all the other proxies"}
BOARD = ("proxy", "clean", "attacks", "corruptions", "behind", "partial", "top", *GAINS)
BOARD_SAYS = (
    "Spearman's correlations over classes with clean accuracy, and means over attacks and corruptions, each at the level at which architectures differ most, with 95%"
    " intervals over groups of twins. The rest is of attacks, means over them: behind: less the best's, in the same resamples; partial: with the parameters partialled out;"
    " top: which share of the best 10% is among the best 10% by the proxy; added_to_structure, added_to_proxies: R² that the proxy adds to a random forest of the structure,"
    " and of all the other proxies, and in brackets under how many of the attacks its 95% interval is above 0, which one in forty is by chance alone;"
    " params and kernel_parameters are one number here, so that neither adds to the other."
)
LEARNING_SAYS = (
    "share: R² on architectures of which neither they nor a twin were learned from, over the noise ceiling of R², mean over metrics, after learning from so many"
    " architectures' structure; least_share: of the metric that is predicted worst, from the most architectures. seconds: of a core, to fit one metric and predict, means."
    " A fit alone has no intervals: a surrogate's are calibrated on architectures that were held out, and surrogates.md has their coverage. The kinds"
    " along the cell's graph, which take longer to fit, are in ceiling.md. lukasik2023 is the forest of Lukasik et al. (2023) on the 13 of its 15 zero-cost proxies that are"
    " published, whatever the others learn from; it is tested on the architectures that have all of them, its share is of the ceiling there, and who is ahead is said without it."
)
CURVES_SAYS = "R², mean over splits (least and greatest in brackets). mean and parameters are what any predictor must beat: the mean of what was learned from, and a line through the parameters."
REGRETS_SAYS = (
    "regret: how much less, measured without noise, the architecture has that a run of 100 queries takes for the best than the best one, mean over {runs} runs with its 95%"
    " interval; of two objectives, the share of the front's hypervolume that is lacking; empty where a search is of one objective. rank: mean over objectives, of one each."
    " Tests are of runs from the same seeds, by Wilcoxon's test at 5% after Holm's correction. Warm-ups are guided by synflow."
)
