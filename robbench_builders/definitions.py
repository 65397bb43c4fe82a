"""Recipes, evaluations and data sets of one's own, as a TOML file says them, or a plan: docs/builds.md lists every field.

[recipe]                     fields of `robbench_builders.recipes.Recipe`; `like` names a recipe that gives the others
[recipe.adversary]           fields of `robbench_builders.recipes.Adversary`
[recipe.schedule]            kind, and fields of the class in `robbench_builders.schedules`
[evaluation]                 fields of `robbench_builders.evaluations.Evaluation`; `like` as above
[evaluation.attacks.NAME]    attack (module:name, or one of `robbench_builders.attacks.ATTACKS`; NAME if left out), eps, precision, and the attack's own fields
[evaluation.proxies.NAME]    proxy (module:name), what it needs (`robbench_builders.proxies.Proxy`), and the proxy's own fields
[dataset]                    name, path
"""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from robbench_builders.attacks import ATTACKS, Attack, InPrecision
from robbench_builders.confidences import SUMMARIES
from robbench_builders.corruptions import CORRUPTIONS
from robbench_builders.errors import BuildError
from robbench_builders.evaluations import EVALUATIONS, Evaluation, find_evaluation
from robbench_builders.own import OF_THE_TABLE, own_attack, own_proxy
from robbench_builders.proxies import KNOWN, PROXIES, Proxy
from robbench_builders.recipes import RECIPES, Adversary, Recipe, find_recipe
from robbench_builders.schedules import SCHEDULES, Schedule
from robbench_builders.tables import Table, read_toml
from robbench.arguments import nearest

TABLES = ("recipe", "evaluation", "dataset")
ALL = "all"
"""In place of a list of corruptions, of measures, or of proxies; variants of these (`robbench_builders.proxies.VARIANTS`) are not among them."""

_Defined = TypeVar("_Defined", Recipe, Evaluation)
_NEEDS = tuple(each.name for each in fields(Proxy) if each.name != "compute")


class Images(NamedTuple):
    """A data set of one's own."""

    name: str
    path: Path
    """Absolute."""


def read_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file; raises BuildError, naming the line, for all that is wrong with it."""
    return recipe_of(_required(path, "recipe"))


def read_evaluation(path: Path) -> Evaluation:
    """The evaluation in a TOML file; raises as `read_recipe`."""
    return evaluation_of(_required(path, "evaluation"))


def read_images(path: Path) -> Images:
    """The data set in a TOML file; its path is taken from the file's folder.  Raises as `read_recipe`."""
    table = _required(path, "dataset")
    table.refuse_others(Images._fields)
    for field in Images._fields:
        if field not in table.values:
            raise table.error(None, f"it lacks {field}; expected a name for stores, and the path of an npz file.")
    return Images(table.field("name", str), path.parent.absolute() / table.field("path", str))


def recipe_of(table: Table) -> Recipe:
    """The recipe of a table; raises as `read_recipe`."""
    given = table.arguments(Recipe, leaving=("adversary", "schedule", "like"))
    if table.values.get("adversary") is not None:
        inner = table.table("adversary")
        with inner.naming():
            given["adversary"] = Adversary(**_complete(inner, Adversary))
    if "schedule" in table.values:
        given["schedule"] = _schedule(table.table("schedule"))
    with table.naming():
        base = _base(table, find_recipe)
        made = Recipe(**_complete(table, Recipe, given)) if base is None else replace(base, **given)
        return _own(made, RECIPES, "recipe")


def evaluation_of(table: Table) -> Evaluation:
    """The evaluation of a table; raises as `read_recipe`."""
    given = table.arguments(Evaluation, leaving=("attacks", "proxies", "corruptions", "measures", "grids", "like"))
    if "grids" in table.values:
        raise table.error("grids", "a grid of an attack's own is the field eps of its table.")
    if "attacks" in table.values:
        attacks = _named(table, "attacks")
        given["attacks"] = {name: _attack(attacks.table(name), name) for name in attacks.values}
        given["grids"] = {
            name: attacks.table(name).field("eps", tuple[float, ...]) for name, value in attacks.values.items() if "eps" in value
        }
    if "proxies" in table.values:
        proxies = _named(table, "proxies", [name for name in PROXIES if name not in ("params", "flops")])
        given["proxies"] = {name: _proxy(proxies.table(name), name) for name in proxies.values}
    if "corruptions" in table.values:
        every = table.values["corruptions"] == ALL
        given["corruptions"] = tuple(CORRUPTIONS) if every else table.field("corruptions", tuple[str, ...])
    if "measures" in table.values:
        every = table.values["measures"] == ALL
        given["measures"] = tuple(SUMMARIES) if every else table.field("measures", tuple[str, ...])
    with table.naming():
        base = _base(table, find_evaluation)
        made = Evaluation(**_complete(table, Evaluation, {"attacks": {}, **given})) if base is None else replace(base, **given)
        return _own(made, EVALUATIONS, "evaluation")


def _required(path: Path, name: str) -> Table:
    whole = read_toml(path)
    whole.refuse_others(TABLES)
    if name not in whole.values:
        raise whole.error(None, f"it has no table [{name}]; it has {', '.join(whole.values) or 'nothing'}.")
    return whole.table(name)


def _base(table: Table, find: Any) -> Any:
    if "like" not in table.values:
        return None
    if "name" not in table.values:
        raise BuildError("it has no name; what is like another needs a name of its own.")
    return find(table.field("like", str))


def _complete(table: Table, of: Any, given: dict[str, Any] | None = None) -> dict[str, Any]:
    """The fields, once all that have no default are there."""
    found = table.arguments(of) if given is None else given
    required = [each.name for each in fields(of) if each.default is MISSING and each.default_factory is MISSING]
    if missing := [name for name in required if name not in found]:
        raise BuildError(f"it lacks {', '.join(missing)}.")
    return found


def _own(made: _Defined, known: dict[str, _Defined], what: str) -> _Defined:
    """What was made, unless its name is taken."""
    if made.name in known and known[made.name] != made:
        raise BuildError(f"the name {made.name!r} is taken by a built-in {what} that says something else; give this one another.")
    return made


def _schedule(table: Table) -> Schedule:
    kind = table.field("kind", str) if "kind" in table.values else None
    if kind not in SCHEDULES:
        raise table.error(
            "kind" if kind else None, f"{kind!r} is not a kind of schedule.{nearest(kind, SCHEDULES)} Known: {', '.join(SCHEDULES)}."
        )
    given = table.arguments(SCHEDULES[kind], leaving=("kind",))
    with table.naming():
        return SCHEDULES[kind](**_complete(table, SCHEDULES[kind], given))


def _named(table: Table, field: str, every: list[str] | None = None) -> Table:
    """A table of tables by name; a list of names stands for empty ones, and `ALL` for every name."""
    value = table.values[field]
    if every is not None and value == ALL:
        value = every
    if isinstance(value, list):
        names = Table({field: value}, table.place).field(field, tuple[str, ...])
        if len(set(names)) < len(names):
            raise table.error(field, f"a name is there twice: {', '.join(names)}.")
        return Table({name: {} for name in names}, table.place._replace(path=(*table.place.path, field)))
    return table.table(field)


def _attack(table: Table, name: str) -> Attack:
    exact = _exact(table, name)
    with table.naming():
        found = InPrecision(exact, table.field("precision", str) if "precision" in table.values else "float32")
        return exact if found.precision == "float32" else found


def _exact(table: Table, name: str) -> Attack:
    """The attack in float32."""
    base = table.field("attack", str) if "attack" in table.values else name
    with table.naming():
        if ":" in base:
            parameters = {field: value for field, value in table.values.items() if field not in ("attack", "source", *OF_THE_TABLE)}
            return own_attack(base, _source(table), **parameters)
        if base not in ATTACKS:
            raise BuildError(f"{base!r} is not an attack.{nearest(base, ATTACKS)} Known: {', '.join(ATTACKS)}; or module:name.")
    known: Any = ATTACKS[base]
    given = table.arguments(type(known), leaving=("attack", *OF_THE_TABLE))
    with table.naming():
        made: Attack = replace(known, **given)
        return made


def _source(table: Table) -> str | None:
    return table.field("source", str) if "source" in table.values else None


def _proxy(table: Table, name: str) -> Proxy:
    if "proxy" in table.values:
        table.refuse_others(("proxy", "source", *_NEEDS))
        needs = table.arguments(Proxy, leaving=("proxy", "source", "compute"))
        with table.naming():
            return own_proxy(table.field("proxy", str), _source(table), **needs)
    if name not in KNOWN:
        raise table.error(None, f"{name!r} is not a proxy.{nearest(name, KNOWN)} Known: {', '.join(KNOWN)}; or proxy = 'module:name'.")
    known: Any = KNOWN[name]
    own = {field: value for field, value in table.values.items() if field not in _NEEDS}
    needs = Table({field: value for field, value in table.values.items() if field in _NEEDS}, table.place).arguments(Proxy)
    if own and not is_dataclass(known.compute):
        table.refuse_others(_NEEDS)
    compute = known.compute
    if own:
        with table.naming():
            compute = replace(compute, **Table(own, table.place).arguments(type(compute), leaving=_NEEDS))
    made: Proxy = replace(known, compute=compute, **needs)
    return made
