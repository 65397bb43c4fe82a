from __future__ import annotations

import pickle
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from robbench_builders import own
from robbench_builders.attacks import FGSM, InPrecision
from robbench_builders.cli import proxies
from robbench_builders.definitions import evaluation_of, read_evaluation
from robbench_builders.errors import BuildError
from robbench_builders.evaluate import robust_outcomes
from robbench_builders.evaluations import Evaluation
from robbench_builders.own import own_attack, own_proxy
from robbench_builders.plan import Plan
from robbench_builders.plan_file import plan_from, read_plan, write_plan
from robbench_builders.proxies import PROXIES
from robbench_builders.recipes import RECIPES
from robbench_builders.results.merge import merge
from robbench_builders.results.verify import verify
from robbench_builders.run import run
from robbench_builders.tables import Place, Table
from robbench import RobBench

MODULE = '''
import torch
from robbench_builders.proxies import Proxy

class Noise:
    """Uniform noise: the weakest of attacks."""
    def __init__(self, share=1.0):
        self.share = share
    def settings(self):
        return {"kind": "noise"}
    def __call__(self, network, images, labels, eps, *, streams):
        return images + self.share * torch.as_tensor(eps).view(*torch.as_tensor(eps).shape, 1, 1, 1)

def brighter(network, images, labels, eps, *, streams):
    return images + 0.01

class Nearest(Noise):
    calls = []
    def nearest(self, network, images, labels, within, *, streams):
        self.calls.append(len(images))
        return 1 - images

one = Noise(0.5)
number = 3

def width(passes):
    return torch.full((len(passes.stack.archs),), 7.0)

wide = Proxy(width, images=4)

def two(passes, more):
    return passes
'''


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The name of a module in the current folder, another one for every test: Python imports each name once."""
    monkeypatch.chdir(tmp_path)
    name = f"mine_{zlib.crc32(request.node.name.encode())}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    return name


def test_an_attack_of_ones_own_attacks_and_says_what_it_is(mine: str) -> None:
    attack = own_attack(f"{mine}:Noise", share=0.5)
    assert attack.settings() == {"kind": "noise", "share": 0.5, "attack": f"{mine}:Noise", "source": attack.source}
    images = torch.zeros(2, 1, 8, 8)
    moved = attack(lambda x: x, images, torch.zeros(2), torch.tensor([0.2, 0.4]), streams=torch.arange(2))
    assert torch.allclose(moved.amax((1, 2, 3)), torch.tensor([0.1, 0.2]))
    assert own_attack(f"{mine}:one").settings()["kind"] == "noise"
    assert own_attack(f"{mine}:brighter").settings().keys() == {"attack", "source"}


def test_an_attack_of_ones_own_that_looks_for_the_nearest_point_walks_once(mine: str) -> None:
    attack = own_attack(f"{mine}:Nearest")
    images, labels = torch.full((3, 1, 2, 2), 0.4), torch.zeros(3, dtype=torch.int64)

    def network(images: Any) -> Any:
        return torch.stack([0.55 - images.mean((1, 2, 3)), torch.zeros(len(images))], 1)

    for given in (attack, InPrecision(attack, "float32")):
        assert robust_outcomes(network, images, labels, given, [0.1, 0.2, 0.3]).tolist() == [[True] * 3, [False] * 3, [False] * 3]
    assert own._attack(attack.attack, attack.source, "{}").calls == [3, 3]  # type: ignore[attr-defined]


def test_it_goes_to_other_processes_by_name(mine: str) -> None:
    attack, proxy = own_attack(f"{mine}:Noise", share=0.5), own_proxy(f"{mine}:width")
    assert b"torch" not in pickle.dumps(attack)
    assert pickle.loads(pickle.dumps(attack)) == attack  # noqa: S301
    assert pickle.loads(pickle.dumps(proxy)) == proxy  # noqa: S301


def test_a_proxy_that_is_an_object_keeps_what_it_needs(mine: str) -> None:
    assert own_proxy(f"{mine}:wide").images == 4
    assert own_proxy(f"{mine}:wide", images=2).images == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{}", r"names nothing in a module; expected module:name, such as 'mine:Attack'"),
        ("{}:a.b", r"names nothing in a module"),
        ("../{}:Noise", r"names nothing in a module"),
        ("no_such_module:Noise", r"'no_such_module:Noise' cannot be imported \(No module .*expected no_such_module\.py in "),
        ("{}:Noice", r"has no 'Noice'\. Did you mean 'Noise'"),
        ("{}:number", r"is not an attack; expected a class, an object or a function"),
        ("{}:width", r"is not an attack"),
        ("subprocess:Popen", r"subprocess:Popen is not an attack"),
        ("os:system", r"os:system' has no file whose|os:system is not an attack"),
        ("sys:exit", r"has no file whose checksum could be taken"),
    ],
)
def test_what_is_no_attack_is_named(mine: str, name: str, message: str) -> None:
    with pytest.raises(BuildError, match=message):
        own_attack(name.format(mine))


def test_parameters_that_it_does_not_take(mine: str) -> None:
    with pytest.raises(BuildError, match=r":Noise cannot be made with \{'shares': 1\}: .*unexpected keyword"):
        own_attack(f"{mine}:Noise", shares=1)
    with pytest.raises(BuildError, match=r":one is not a class, so it takes no share"):
        own_attack(f"{mine}:one", share=1)
    for name in ("eps", "precision"):
        with pytest.raises(BuildError, match=rf"was given {name}, which says how an evaluation runs it"):
            own_attack(f"{mine}:Noise", None, **{name: 1})
    with pytest.raises(BuildError, match=r"was given share=\[1\]; expected a string, a number"):
        own_attack(f"{mine}:Noise", share=[1])


@pytest.mark.parametrize("name", ["Noise", "number", "two"])
def test_what_is_no_proxy_is_named(mine: str, name: str) -> None:
    with pytest.raises(BuildError, match=rf":{name} is not a proxy; expected a function"):
        own_proxy(f"{mine}:{name}")


def test_a_module_that_cannot_be_read(mine: str, tmp_path: Path) -> None:
    (tmp_path / f"broken_{mine}.py").write_text("def :")
    with pytest.raises(BuildError, match=r"cannot be imported \(invalid syntax"):
        own_attack(f"broken_{mine}:Noise")


def test_an_attack_that_a_plan_cannot_write_down(mine: str) -> None:
    class Mine(FGSM):
        pass

    with pytest.raises(BuildError, match=r"fgsm is a Mine, which a plan cannot write down; .*own_attack\('module:name'\)"):
        Evaluation("mine", {"fgsm": Mine()}, (0.1,)).record()
    with pytest.raises(BuildError, match=r"snip is computed by .*, which a plan cannot write down"):
        Evaluation("mine", {}, proxies={"snip": PROXIES["synflow"]}).record()


def test_from_a_file_to_a_store_and_built_again(mine: str, tmp_path: Path, tiny_images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.toml").write_text(f"""
        [evaluation]
        name = "mine"
        eps = ["8/255"]
        [evaluation.attacks.attack-noise]
        attack = "{mine}:Noise"
        share = 0.5
        eps = [0.1, 0.2, 0.3]
        [evaluation.attacks.fgsm]
        [evaluation.proxies.proxy-width]
        proxy = "{mine}:width"
        images = 2
    """)
    evaluation = read_evaluation(tmp_path / "mine.toml")
    recipe = replace(RECIPES["digits"], name="quick", epochs=1)
    archs = ("|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|", "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|")
    plan = Plan(tiny_images, recipe, evaluation, None, sample_seed=0, seeds=(0,), stack=2, archs=archs)
    folder, store = tmp_path / "build", tmp_path / "store.h5"
    write_plan(folder, plan)
    assert read_plan(folder) == plan
    assert plan_from(plan.record()) == plan
    (unit,) = run(folder, device="cpu")
    assert unit.evaluation == evaluation.label
    merge(folder, store)
    bench = RobBench(store)
    arch = unit.archs[1]
    assert bench.curve(arch, "attack-noise").index.tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert bench.curve(arch, "fgsm").index.tolist() == pytest.approx([8 / 255])
    assert bench.query(arch, "proxy-width") == 7
    assert "attack-noise" in set(bench.metrics()["metric"].str.partition("@")[0])
    (found,) = verify(store, sample=1, device="cpu")
    assert found.succeeded
    assert found.same_environment
    # The code is part of what was built.
    with (tmp_path / f"{mine}.py").open("a") as file:
        file.write("# another\n")
    own._found.cache_clear()
    own._attack.cache_clear()
    for use in (lambda: read_plan(folder), lambda: next(verify(store, sample=1, device="cpu"))):
        with pytest.raises(
            BuildError, match=r"is not what it was: the checksum of its file is \w{16}, and was \w{16}; put the old one back"
        ):
            use()


def test_a_proxy_of_ones_own_from_the_shell(mine: str, tiny_images: str) -> None:
    arch = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|"
    options = ["--dataset", tiny_images, "--channels", "2", "--cells", "1", "--batch-size", "4"]
    result = CliRunner().invoke(proxies, [arch, "--proxy", f"{mine}:width", *options])
    assert (result.exit_code, result.stdout.split()[1:]) == (0, [f"{mine}:width", "7"])


def test_a_checksum_in_a_file_is_compared(mine: str) -> None:
    table = {"name": "mine", "eps": [0.1], "attacks": {"attack-noise": {"attack": f"{mine}:Noise", "source": "0" * 16}}}
    with pytest.raises(BuildError, match=r"\[attacks\.attack-noise\]: the module of .* is not what it was"):
        evaluation_of(Table(table, Place("a plan", "")))
