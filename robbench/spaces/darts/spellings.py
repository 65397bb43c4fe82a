"""How others write genotypes: read without running any of it, and written.

namedtuple     Genotype(normal=[('sep_conv_3x3', 1), …], normal_concat=range(2, 6), reduce=[…], reduce_concat=[2, 3, 4, 5])
object         {"normal": [["sep_conv_3x3", 1], …], "normal_concat": [2, 3, 4, 5], "reduce": […], "reduce_concat": […]}; also as JSON text.
               Tiny-RobustBench writes ``reduce_concate``
configuration  NAS-Bench-301's: {"NetworkSelectorDatasetInfo:darts:edge_normal_0": "sep_conv_3x3", …, "…:inputs_node_normal_3": "0_2", …};
               a node's edges are numbered from 0, 2, 5 and 9 on, by source
compact        NASLib's: eight pairs (node, operation) for each cell, operations counted from max_pool_3x3 = 0; also as text
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

from robbench.errors import UnknownArchitecture
from robbench.spaces.darts.genotype import CELLS, INNER, OPERATIONS, Cell, Genotype

NASLIB_OPERATIONS = OPERATIONS[1:]
FIRST_EDGE = {2: 0, 3: 2, 4: 5, 5: 9}
"""The number that NAS-Bench-301 gives to the edge from node 0 into each inner node."""
CONFIGURATION = "NetworkSelectorDatasetInfo:darts:"
LONGEST = 20_000
"""Characters of a text that is read; the longest spelling has about 2,000."""

_PAIR = r"[(\[]\s*(?:'\w{1,40}'|\"\w{1,40}\")\s*,\s*[0-9]{1,3}\s*[)\]]"
_PAIRS = rf"[\[(]\s*(?:{_PAIR}\s*,?\s*)*[\])]"
_NODES = r"(?:range\(\s*[0-9]{1,3}\s*,\s*[0-9]{1,3}\s*\)|[\[(]\s*(?:[0-9]{1,3}\s*,?\s*)*[\])])"
_FIELD = re.compile(rf"\s*(normal|reduce)(?:_(concate?)\s*=\s*({_NODES})|\s*=\s*({_PAIRS}))\s*(?:,|$)")
_NAMEDTUPLE = re.compile(r"\s*(?:\w{1,40}\s*=\s*)?Genotype\s*\((.*)\)\s*", re.DOTALL)
_COMPACT_CELL = r"[(\[]\s*(?:[(\[]\s*[0-9]\s*,\s*[0-9]\s*[)\]]\s*,?\s*){8}[)\]]"
_COMPACT = re.compile(rf"\s*[(\[]\s*{_COMPACT_CELL}\s*,\s*{_COMPACT_CELL}\s*,?\s*[)\]]\s*")


def from_text(text: str) -> Genotype | None:
    """The genotype of a namedtuple, a JSON object or NASLib's tuple as text; None where the text begins like none of them.

    Raises:
        UnknownArchitecture: it begins like one, and is none.
    """
    if len(text) > LONGEST:
        raise UnknownArchitecture(f"{text[:60]!r}… has {len(text)} characters; expected a genotype, which has up to {LONGEST}.")
    if match := _NAMEDTUPLE.fullmatch(text):
        return from_mapping(_fields(match[1]))
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise UnknownArchitecture(f"{text!r:.100} begins like a JSON object, and is none: {error}.") from error
        return from_mapping(found)
    if _COMPACT.fullmatch(text):
        digits = [int(digit) for digit in re.findall("[0-9]", text)]
        pairs = list(zip(digits[::2], digits[1::2], strict=True))
        return from_naslib([pairs[:8], pairs[8:]])
    return None


def as_written(text: str) -> dict[str, list[tuple[str, int]]] | None:
    """The pairs (operation, source) of each cell in the order in which a namedtuple or an object has them, which a `Genotype` does not know.

    None of a spelling that has no order of its own, such as a spec or a name.
    """
    genotype = from_text(text)
    if match := _NAMEDTUPLE.fullmatch(text):
        fields = _fields(match[1])
    elif genotype is not None and text.lstrip().startswith("{"):
        fields = json.loads(text)
    else:
        return None
    return {name: [(op, int(source)) for op, source in fields[name]] for name in CELLS} if "normal" in fields else None


def from_mapping(found: Mapping[Any, Any]) -> Genotype:
    """The genotype of a published object or of a NAS-Bench-301 configuration; raises UnknownArchitecture."""
    if any(isinstance(name, str) and name.startswith(CONFIGURATION) for name in found):
        return _from_configuration(found)
    known = {"normal", "reduce", *(f"{name}_concat{end}" for name in CELLS for end in ("", "e"))}
    lacking = [name for name in CELLS if name not in found]
    if lacking or not found.keys() <= known:
        raise UnknownArchitecture(
            f"an object with {', '.join(map(repr, found)) or 'nothing'} is not a genotype; expected normal, normal_concat, reduce and"
            " reduce_concat, or a configuration of NAS-Bench-301."
        )
    return Genotype(found["normal"], found["reduce"], *(_concat_of(found, name) for name in CELLS))


def from_naslib(compact: Any) -> Genotype:
    """The genotype of NASLib's compact form.

    Raises:
        UnknownArchitecture: it is none; says whether it looks like NAS-Bench-201's.
    """
    if isinstance(compact, Sequence) and len(compact) == 6 and all(isinstance(part, Integral) for part in compact):
        raise UnknownArchitecture(
            f"{compact!r} is six integers, as NASLib writes NAS-Bench-201's cells; of DARTS it writes two cells of eight pairs (node, operation)."
        )
    cells = list(compact) if isinstance(compact, Sequence) and not isinstance(compact, str | bytes) else []
    if len(cells) != len(CELLS):
        raise UnknownArchitecture(f"{compact!r:.200} is not NASLib's compact form; expected two cells of eight pairs (node, operation).")
    normal, reduce = (_named_operations(name, cell) for name, cell in zip(CELLS, cells, strict=True))
    return Genotype(normal, reduce)


def as_namedtuple(genotype: Genotype) -> str:
    """As DARTS prints it."""
    parts = []
    for name, cell in genotype.cells.items():
        parts += [f"{name}={_as_pairs(cell)}", f"{name}_concat={list(cell.concat)}"]
    return f"Genotype({', '.join(parts)})"


def as_configuration(genotype: Genotype) -> dict[str, str]:
    """As NAS-Bench-301 configures it; of a genotype of the space."""
    found: dict[str, str] = {}
    for name, cell in genotype.cells.items():
        for node, edges in zip(INNER, cell.nodes, strict=True):
            found |= {f"{CONFIGURATION}edge_{name}_{FIRST_EDGE[node] + source}": op for source, op in edges}
            if node > INNER[0]:
                found[f"{CONFIGURATION}inputs_node_{name}_{node}"] = "_".join(str(source) for source, _ in edges)
    return found


def as_naslib(genotype: Genotype) -> tuple[tuple[tuple[int, int], ...], ...]:
    """As NASLib's compact form; of a genotype of the space."""
    return tuple(
        tuple((source, NASLIB_OPERATIONS.index(op)) for edges in cell.nodes for source, op in edges) for cell in genotype.cells.values()
    )


def _fields(text: str) -> dict[str, Any]:
    """The fields of a namedtuple's text."""
    found: dict[str, Any] = {}
    at = 0
    while text[at:].strip():
        match = _FIELD.match(text, at)
        if match is None:
            raise UnknownArchitecture(
                f"{text[at : at + 60].strip()!r} in a Genotype(…) is not a field; expected normal=[('sep_conv_3x3', 1), …], normal_concat=range(2, 6)"
                " or a list, and the same for reduce."
            )
        name, at = match[1] + (f"_{match[2]}" if match[2] else ""), match.end()
        if name in found:
            raise UnknownArchitecture(f"a Genotype(…) has {name} twice; expected each field once.")
        found[name] = (
            _nodes(match[3]) if match[3] else [(op, int(node)) for op, node in re.findall(r"['\"](\w+)['\"]\s*,\s*([0-9]+)", match[4])]
        )
    return found


def _nodes(text: str) -> list[int]:
    numbers = [int(number) for number in re.findall("[0-9]+", text)]
    return list(range(*numbers)) if text.startswith("range") else numbers


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice in one object")
    return found


def _concat_of(found: Mapping[Any, Any], name: str) -> Any:
    given = [key for key in (f"{name}_concat", f"{name}_concate") if key in found]
    if len(given) > 1:
        raise UnknownArchitecture(f"an object has both {given[0]} and {given[1]}; expected one of them.")
    return found[given[0]] if given else INNER


def _from_configuration(found: Mapping[Any, Any]) -> Genotype:
    mine = {name.removeprefix(CONFIGURATION): value for name, value in found.items() if isinstance(name, str)}
    used: set[str] = set()

    def value(name: str, meaning: str) -> Any:
        if name not in mine:
            raise UnknownArchitecture(f"the configuration has no {CONFIGURATION}{name}, {meaning}.")
        used.add(name)
        return mine[name]

    cells = []
    for name in CELLS:
        pairs: list[tuple[Any, int]] = []
        for node in INNER:
            inputs = "0_1" if node == INNER[0] else value(f"inputs_node_{name}_{node}", f"which two nodes node {node} reads, such as '0_2'")
            if not isinstance(inputs, str) or not re.fullmatch("[0-9]_[0-9]", inputs):
                raise UnknownArchitecture(f"inputs_node_{name}_{node} is {inputs!r:.60}; expected two earlier nodes, such as '0_2'.")
            for source in map(int, inputs.split("_")):
                edge = f"edge_{name}_{FIRST_EDGE[node] + source}"
                if source >= node:
                    raise UnknownArchitecture(f"node {node} of the {name} cell reads node {source}; expected an earlier one.")
                pairs.append((value(edge, f"the operation from node {source} to node {node}"), source))
        cells.append(pairs)
    if unused := sorted(name for name in mine.keys() - used if name.startswith(("edge_", "inputs_node_"))):
        raise UnknownArchitecture(
            f"the configuration has {unused[0]}, which is no edge that a node reads; expected those of its inputs only."
        )
    normal, reduce = cells
    return Genotype(normal, reduce)


def _named_operations(name: str, cell: Any) -> list[tuple[str, Any]]:
    if not isinstance(cell, Sequence) or isinstance(cell, str | bytes):
        raise UnknownArchitecture(f"the {name} cell is {cell!r:.100}; expected eight pairs (node, operation).")
    found = []
    for pair in cell:
        if (
            not isinstance(pair, Sequence)
            or len(pair) != 2
            or any(isinstance(part, bool) or not isinstance(part, Integral) for part in pair)
        ):
            raise UnknownArchitecture(f"{pair!r:.100} in the {name} cell is not a pair (node, operation) of integers.")
        node, op = pair
        if not 0 <= op < len(NASLIB_OPERATIONS):
            counted = ", ".join(f"{number} = {known}" for number, known in enumerate(NASLIB_OPERATIONS))
            raise UnknownArchitecture(f"{op} in the {name} cell is not an operation of NASLib's; expected {counted}.")
        found.append((NASLIB_OPERATIONS[op], node))
    return found


def _as_pairs(cell: Cell) -> list[tuple[str, int]]:
    return [(op, source) for edges in cell.nodes for source, op in edges]
