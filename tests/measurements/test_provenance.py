"""What an older or a published array leaves unsaid of Square is said when it is read."""

from __future__ import annotations

from typing import Any

import pytest

from robbench import RobBench
from robbench.measurements.provenance import completed, schedule
from robbench.store.arrays import Name

RECORDED = {"attack": "square", "norm": "Linf", "queries": 30}


@pytest.mark.parametrize(
    ("metric", "provenance", "expected"),
    [
        ("square", {"source": "robbench build", "attack": RECORDED}, "rescaled"),
        ("square", {"source": "robbench build", "attack": {**RECORDED, "schedule": "published", "everywhere": False}}, "published"),
        ("square", {"source": "robbench build", "attack": {**RECORDED, "schedule": "rescaled", "everywhere": True}}, "rescaled"),
        ("square-rescaled", {"attack": {"attack": "square-rescaled", "schedule": "rescaled", "everywhere": True}}, "rescaled"),
        ("autoattack", {"attack": {"attack": "autoattack", "queries": 5000}}, "rescaled"),
        ("autoattack", {"attack": {"attack": "autoattack", "square/schedule": "published"}}, "published"),
        ("square", {"source": "jung2023", "attack": "AutoAttack Square", "queries": 5000}, "published"),
        ("autoattack", {"source": "nasrobbench201"}, "published"),
        ("square", {"source": "someone"}, ""),
        ("square", {}, ""),
        ("pgd", {"source": "robbench build", "attack": {"attack": "pgd", "steps": 40}}, ""),
        ("pgd", {"source": "jung2023", "attack": "Foolbox L∞ PGD"}, ""),
        ("clean", {"source": "robbench build"}, ""),
    ],
)
def test_the_schedule_of_square(metric: str, provenance: dict[str, Any], expected: str) -> None:
    name, before = Name("digits", "standard", metric, "accuracy"), repr(provenance)
    assert schedule(name, provenance) == expected
    full = completed(name, provenance)
    assert repr(provenance) == before
    assert schedule(name, full) == expected
    assert full.items() >= {key: value for key, value in provenance.items() if not isinstance(value, dict)}.items()
    if isinstance(provenance.get("attack"), dict):
        assert full["attack"].items() >= provenance["attack"].items()


def test_explain_and_metrics_show_it_for_the_embedded_store() -> None:
    bench = RobBench()
    (provenance,) = bench.explain(bench.architectures[0], "square@16/255").sources.values()
    assert provenance["attack"].items() >= {"attack": "square", "queries": 30, "schedule": "rescaled", "everywhere": True}.items()
    for text in ("worst_case@16/255", "hrs-square@16/255"):
        sources = bench.explain(bench.architectures[0], text).sources
        assert [found["attack"]["schedule"] for name, found in sources.items() if "/square/" in name or " square " in name] == ["rescaled"]
    listed = bench.metrics()
    assert set(listed.loc[listed["metric"] == "square", "schedule"]) == {"rescaled"}
    assert set(listed.loc[listed["metric"] != "square", "schedule"]) == {""}
