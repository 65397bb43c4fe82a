from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robbench import InvalidArgument, RobBenchError, UnknownMetric
from robbench.arguments import nearest
from robbench.measurements.metrics import (
    EXTRA_CORRUPTIONS,
    MEASURES,
    SEVERITIES,
    TABLE,
    Metric,
    canonical_name,
    level_text,
    parse,
    parse_eps,
    same_level,
)

THREATS = [name for name, entry in TABLE.items() if entry.measure == "accuracy" and entry.kind != "derived"]
WITH_EPS = [name for name, entry in TABLE.items() if entry.axis == "eps"]
WITH_SEVERITY = [name for name, entry in TABLE.items() if entry.axis == "severity"]
WITHOUT_LEVEL = [name for name, entry in TABLE.items() if entry.axis is None]


@st.composite
def metrics(draw: st.DrawFn) -> Metric:
    name = draw(st.sampled_from(list(TABLE)))
    level: float | None = None
    if name in WITH_EPS:
        level = draw(st.none() | st.integers(0, 255).map(lambda k: k / 255) | st.floats(0, 1, allow_subnormal=False))
    elif name in WITH_SEVERITY:
        level = draw(st.none() | st.sampled_from(SEVERITIES))
    measure = draw(st.sampled_from(list(MEASURES))) if name in THREATS else TABLE[name].measure
    return Metric(name, level, measure)


# Grammar


@given(metrics())
def test_what_is_printed_is_parsed_to_the_same_metric(metric: Metric) -> None:
    again = parse(str(metric))
    assert (again.name, again.measure) == (metric.name, metric.measure)
    assert (again.level is None) is (metric.level is None)
    assert again.level is None or metric.level is None or same_level(again.level, metric.level)
    assert str(parse(str(again))) == str(again)
    assert parse(metric) == metric


@pytest.mark.parametrize(
    ("text", "metric", "printed"),
    [
        ("clean", Metric("clean", None, "accuracy"), "clean"),
        ("clean:accuracy", Metric("clean", None, "accuracy"), "clean"),
        ("clean:confusion", Metric("clean", None, "confusion"), "clean:confusion"),
        ("clean:cm", Metric("clean", None, "confusion"), "clean:confusion"),
        ("pgd:acc", Metric("pgd", None, "accuracy"), "pgd"),
        ("pgd@1/255", Metric("pgd", 1 / 255, "accuracy"), "pgd@1/255"),
        ("pgd@0.1/255", Metric("pgd", 0.1 / 255, "accuracy"), "pgd@0.1/255"),
        ("pgd@ 1 / 255 :outcomes", Metric("pgd", 1 / 255, "outcomes"), "pgd@1/255:outcomes"),
        ("pgd@0.5", Metric("pgd", 0.5, "accuracy"), "pgd@127.5/255"),
        ("pgd@.5", Metric("pgd", 0.5, "accuracy"), "pgd@127.5/255"),
        ("pgd@1e-2", Metric("pgd", 0.01, "accuracy"), "pgd@2.55/255"),
        ("pgd@0", Metric("pgd", 0.0, "accuracy"), "pgd@0/255"),
        ("fog@3", Metric("fog", 3, "accuracy"), "fog@3"),
        ("fog@3:confidence_label", Metric("fog", 3, "confidence_label"), "fog@3:confidence_label"),
        ("hrs-pgd@1/255", Metric("hrs-pgd", 1 / 255, "accuracy"), "hrs-pgd@1/255"),
        ("mean_corruption", Metric("mean_corruption", None, "accuracy"), "mean_corruption"),
        ("synflow", Metric("synflow", None, "value"), "synflow"),
        ("synflow:value", Metric("synflow", None, "value"), "synflow"),
    ],
)
def test_the_grammar(text: str, metric: Metric, printed: str) -> None:
    assert parse(text) == metric
    assert str(metric) == printed


@pytest.mark.parametrize(
    ("published", "name"),
    [
        ("fgsm@Linf", "fgsm"),
        ("pgd@Linf", "pgd"),
        ("aa_apgd-ce@Linf", "apgd-ce"),
        ("aa_apgd-ce", "apgd-ce"),
        ("aa_square@Linf", "square"),
        ("aa_square", "square"),
        ("apgd", "apgd-ce"),
        ("aa", "autoattack"),
        ("auto_attack", "autoattack"),
    ],
)
def test_published_spellings_are_understood(published: str, name: str) -> None:
    assert parse(published).name == name
    assert parse(published, eps="1/255") == Metric(name, 1 / 255, "accuracy")
    assert parse(f"{published}@1/255:cm") == Metric(name, 1 / 255, "confusion")


@pytest.mark.parametrize("name", TABLE)
def test_every_name_in_the_table_means_itself(name: str) -> None:
    assert canonical_name(name) == name
    assert parse(name) == Metric(name, None, TABLE[name].measure)
    assert parse(name).entry is TABLE[name]


def test_a_level_and_a_measure_may_be_written_or_given() -> None:
    assert parse("pgd@1/255:cm") == parse("pgd", eps=1 / 255, measure="cm") == parse(parse("pgd"), eps="1/255", measure="confusion")
    assert parse("fog@3") == parse("fog", severity=3) == parse(parse("fog"), severity=3)


def test_fifteen_corruptions_and_the_attacks_of_the_published_dataset_are_in_the_table() -> None:
    assert len(set(WITH_SEVERITY) - set(EXTRA_CORRUPTIONS)) == 15
    assert set(EXTRA_CORRUPTIONS) < set(WITH_SEVERITY)
    assert {"fgsm", "pgd", "apgd-ce", "square", "autoattack"} <= {name for name, entry in TABLE.items() if entry.kind == "attack"}


def test_accuracy_is_better_the_larger_and_cost_the_smaller() -> None:
    assert all(entry.higher_is_better for entry in TABLE.values() if entry.measure == "accuracy")
    assert not any(entry.higher_is_better for name, entry in TABLE.items() if name.endswith(("_latency", "_energy")))


# Levels


@pytest.mark.parametrize(
    "eps",
    [1 / 255, "1/255", " 1 / 255 ", "1.0/255.0", Fraction(1, 255), np.float64(1 / 255), np.float32(1 / 255), 0.003921569, "0.003921569"],
)
def test_every_way_to_write_an_eps_is_the_same_level(eps: Any) -> None:
    assert same_level(parse_eps(eps), 1 / 255)
    assert isinstance(parse_eps(eps), float)


@pytest.mark.parametrize(("eps", "value"), [(0, 0.0), (1, 1.0), ("0", 0.0), ("255/255", 1.0), ("0.1/255", 0.1 / 255), (np.int64(1), 1.0)])
def test_eps_runs_from_0_to_1(eps: Any, value: float) -> None:
    assert parse_eps(eps) == value


@given(st.integers(1, 2550), st.floats(-1, 1), st.floats(0.5, 1), st.sampled_from([-1, 1]))
def test_levels_are_the_same_up_to_rounding_and_no_further(tenths: int, near: float, far: float, sign: int) -> None:
    eps = tenths / 2550
    assert same_level(eps, eps * (1 + 0.9e-6 * near))
    assert not same_level(eps, eps * (1 + sign * 3e-6 * far))
    assert not same_level(eps, (tenths + 1) / 2550)


def test_an_eps_rounded_to_four_digits_is_another_level() -> None:
    assert not same_level(0.0039, 1 / 255)
    assert not same_level(0, 1e-12)
    assert same_level(0, 0)


def test_a_level_is_written_as_people_write_it() -> None:
    assert level_text("pgd", 1 / 255) == "1/255"
    assert level_text("pgd", 0.1 / 255) == "0.1/255"
    assert level_text("pgd", 0.5) == "127.5/255"
    assert level_text("fog", 3.0) == "3"


@pytest.mark.parametrize("severity", [1, 5, np.int64(2), np.uint8(3)])
def test_a_severity_is_an_integer_from_1_to_5(severity: Any) -> None:
    level = parse("fog", severity=severity).level
    assert level == severity
    assert type(level) is int


# What is refused


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("pdg", {}, "'pdg' is not a metric. Did you mean .*'pgd'.*Known: clean, fgsm, pgd"),
        ("PGD", {}, "'PGD' is not a metric. Did you mean .*'pgd'"),
        ("gausian_noise", {}, "'gausian_noise' is not a metric. Did you mean 'gaussian_noise'"),
        ("zzzzzzzz", {}, "'zzzzzzzz' is not a metric. Known: clean"),
        ("", {}, "'' is not a metric"),
        (" pgd", {}, "' pgd' is not a metric. Did you mean"),
        (3, {}, "3 is a int; expected a metric's name, such as 'pgd@1/255'"),
        (None, {}, "None is a NoneType; expected a metric's name"),
        (("pgd", 1 / 255), {}, "is a tuple; expected a metric's name"),
        ("pgd@1/255", {"eps": 1 / 255}, "'pgd@1/255' already names a level; leave eps and severity out"),
        ("fog@3", {"severity": 3}, "'fog@3' already names a level"),
        ("pgd@1/255", {"severity": 3}, "'pgd@1/255' already names a level"),
        ("clean:cm", {"measure": "accuracy"}, "'clean:cm' already names a measure; leave measure='accuracy' out"),
        ("fog", {"eps": 1 / 255}, r"fog is not an attack, so eps=0.0039.* has no meaning; it has a severity from 1 to 5: severity=…"),
        ("clean", {"eps": 1 / 255}, "clean is not an attack, so eps=.* has no meaning; it has no level: leave eps out"),
        ("clean@1/255", {}, "clean is not an attack, so eps=1/255 has no meaning; it has no level"),
        ("synflow@1/255", {}, "synflow is not an attack"),
        ("mean_adversarial", {"eps": 1 / 255}, "mean_adversarial is not an attack, so eps=.*it has no level"),
        (
            "pgd",
            {"severity": 3},
            r"pgd is not a corruption, so severity=3 has no meaning; it has an eps in \[0, 1\]: eps=1/255, for example",
        ),
        ("pgd", {"eps": 1 / 255, "severity": 3}, "pgd is not a corruption, so severity=3 has no meaning"),
        ("clean", {"severity": 3}, "clean is not a corruption, so severity=3 has no meaning; it has no level: leave severity out"),
        ("fog", {"severity": 0}, "severity=0 is not a severity; expected an integer from 1 to 5"),
        ("fog", {"severity": 6}, "severity=6 is not a severity"),
        ("fog", {"severity": -1}, "severity=-1 is not a severity"),
        ("fog", {"severity": 2.5}, "severity=2.5 is not a severity"),
        ("fog", {"severity": "3"}, "severity='3' is not a severity"),
        ("fog", {"severity": np.array([1, 2])}, r"severity=array\(\[1, 2\]\) is not a severity"),
        ("fog@6", {}, "'6' is not a level of fog; expected a severity from 1 to 5, as in 'fog@3'"),
        ("fog@1/255", {}, "'1/255' is not a level of fog"),
        ("fog@", {}, "'' is not a level of fog"),
        ("fog@3 ", {}, "'3 ' is not a level of fog"),
        ("pgd@", {}, "eps='' is not a number"),
        ("pgd@one", {}, "eps='one' is not a number; expected one such as '1/255' or 0.00392"),
        ("clean:", {}, "'' is not a measure. Known: accuracy"),
        (
            "clean:confusions",
            {},
            "'confusions' is not a measure. Did you mean 'confusion'\\? Known: accuracy, validation_accuracy",
        ),
        ("clean", {"measure": "f1"}, "'f1' is not a measure"),
        ("clean:confidence", {}, "say which: confidence_label, confidence_argmax, confidence_prediction"),
        ("clean", {"measure": 3}, "3 is not a measure"),
        ("clean", {"measure": ["accuracy"]}, r"\['accuracy'\] is not a measure"),
        ("synflow:accuracy", {}, "synflow has only the measure 'value'; 'accuracy' belongs to threats"),
        ("mean_corruption:cm", {}, "mean_corruption has only the measure 'accuracy'; .* belongs to threats"),
    ],
)
def test_what_means_nothing_is_refused_with_a_reason(text: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownMetric if "is not a metric" in message else InvalidArgument, match=message):
        parse(text, **options)


@pytest.mark.parametrize(
    ("eps", "message"),
    [
        (8, r"eps=8 is outside \[0, 1\]: images are in \[0, 1\], so 8 grey levels are eps=8/255"),
        ("8", r"eps=8 is outside \[0, 1\].*eps=8/255"),
        (1.0001, r"eps=1.0001 is outside \[0, 1\]"),
        (math.inf, r"eps=inf is outside \[0, 1\]"),
        (10**400, r"eps=10+ is outside \[0, 1\]"),
        (-1 / 255, r"eps=-0.0039.* is not a distance; expected a number in \[0, 1\], such as 1/255"),
        (-8, "eps=-8 is not a distance"),
        ("-1/255", "eps=-1/255 is not a distance"),
        (math.nan, "eps=nan is not a distance"),
        ("1/0", "eps='1/0' is not a number; expected one such as '1/255' or 0.00392"),
        ("1/255/2", "eps='1/255/2' is not a number"),
        ("٣/255", "is not a number"),
        ("nan", "eps='nan' is not a number"),
        ([1 / 255], r"eps=\[0.0039.*\] is a list; expected a number, or a string such as '1/255'"),
        (1 / 255 + 0j, "is a complex; expected a number"),
        (Decimal("0.5"), "is a Decimal; expected a number"),
    ],
)
def test_what_is_not_an_eps_is_refused_and_the_unit_explained(eps: Any, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        parse("pgd", eps=eps)


@given(st.text(max_size=20) | st.builds("{}@{}:{}".format, st.sampled_from(list(TABLE)), st.text(max_size=5), st.text(max_size=5)))
def test_any_text_is_a_metric_that_prints_back_or_our_error(text: str) -> None:
    try:
        metric = parse(text)
    except RobBenchError as error:
        assert isinstance(error, UnknownMetric | InvalidArgument)  # noqa: PT017
    else:
        assert metric.name in TABLE
        assert str(parse(str(metric))) == str(metric)


def test_only_near_names_are_offered() -> None:
    assert nearest("pixelat", ["pixelate", "fog"]) == " Did you mean 'pixelate'?"
    assert nearest("qqqq", TABLE) == ""
