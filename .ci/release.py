"""Build the sdist, and the wheel from it; look at what they hold and say of themselves; install the wheel where nothing else is, and ask it.

    python .ci/release.py [--dist FOLDER] [--tag v0.1.0]

Nothing is uploaded.  Needs Python with venv, and pip.
"""

from __future__ import annotations

import argparse
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("robbench", "robbench_builders")
ARCH = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_3x3~2|"
IN_PYTHON = f"""
import robbench, sys
assert robbench.__file__.startswith(sys.prefix), robbench.__file__
assert round(robbench.RobBench().query({ARCH!r}, "pgd", eps=16 / 255), 3) == 0.817
"""
"""The first answers of README."""
NO_TORCH = "building needs torch"
"""What the builders say where torch is not installed."""


def expected(root: Path = ROOT) -> set[str]:
    """The files that a wheel holds of a working copy: all of the packages, and the embedded store with its description."""
    found = (path for package in PACKAGES for path in (root / package).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    data = (path for path in (root / "data").iterdir() if path.is_file())
    return {path.relative_to(root).as_posix() for path in found} | {f"robbench/{path.relative_to(root).as_posix()}" for path in data}


def differing(held: Iterable[str], wanted: set[str]) -> list[str]:
    """What is wrong with the names in a wheel, a sentence each; its own metadata aside."""
    held = {name for name in held if not re.match(r"robbench-[^/]+\.dist-info/", name)}
    return [f"the wheel lacks {name}" for name in sorted(wanted - held)] + [f"the wheel holds {name}" for name in sorted(held - wanted)]


def released(version: str, changelog: str, tag: str | None) -> list[str]:
    """What is wrong with a release's version, a sentence each: CHANGELOG.md begins with it, and a tag is its name, once it is dated."""
    heading = next((line for line in changelog.splitlines() if line.startswith("## ")), "")
    wrong = [] if heading.split()[1:2] == [version] else [f"CHANGELOG.md begins with {heading!r}; expected version {version}"]
    if tag is not None and tag != f"v{version}":
        wrong.append(f"the tag is {tag}, and robbench/version.py says {version}; expected v{version}")
    if tag is not None and "unreleased" in heading:
        wrong.append(f"CHANGELOG.md says {heading!r}; expected the day of the release")
    return wrong


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """What a command prints; where it fails, that is shown, and the script ends."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout}")
    return done.stdout


def environment(folder: Path, *packages: str | Path) -> Path:
    """A fresh environment with these packages; returns its folder of commands."""
    venv.create(folder, with_pip=True)
    commands = folder / ("Scripts" if sys.platform == "win32" else "bin")
    run(commands / "python", "-m", "pip", "install", "--quiet", *packages)
    return commands


def ask(commands: Path, version: str, room: Path) -> None:
    """Ask an installed wheel what README asks, from a folder that has no source."""
    run(commands / "python", "-I", "-c", IN_PYTHON, cwd=room)
    assert run(commands / "robbench", "query", ARCH, "pgd@16/255", cwd=room).startswith("0.8166"), "robbench query"
    assert version in run(commands / "python", "-m", "robbench", "--version", cwd=room)
    shown = run(commands / "robbench", "--help", cwd=room)
    assert all(command in shown for command in ("query", "explore", "build", "proxies")), shown
    refused = subprocess.run([commands / "robbench", "build", "status", "."], cwd=room, text=True, capture_output=True, check=False)
    assert (refused.returncode, NO_TORCH in refused.stderr) == (1, True), refused.stderr


def main() -> None:
    """Build and check."""
    parser = argparse.ArgumentParser(description="Build the sdist and the wheel, and check both.")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="the folder to put them into, made anew")
    parser.add_argument("--tag", help="of the release, which must be the version's")
    given = parser.parse_args()
    version = str(runpy.run_path(str(ROOT / "robbench" / "version.py"))["__version__"])
    wrong = released(version, (ROOT / "CHANGELOG.md").read_text("utf-8"), given.tag)
    with tempfile.TemporaryDirectory(prefix="robbench-release-") as temporary:
        room = Path(temporary)
        tools = environment(room / "tools", "build", "twine")
        shutil.rmtree(given.dist, ignore_errors=True)
        run(tools / "python", "-m", "build", "--outdir", given.dist, ROOT)
        (wheel,), (sdist,) = given.dist.glob("*.whl"), given.dist.glob("*.tar.gz")
        run(tools / "python", "-m", "twine", "check", "--strict", wheel, sdist)
        with zipfile.ZipFile(wheel) as archive:
            wrong += differing(archive.namelist(), expected())
        with tarfile.open(sdist) as archive:
            wrong += [f"the sdist holds {name}" for name in archive.getnames() if "/shared/" in name or "/scratch/" in name]
        if wrong:
            raise SystemExit("\n".join(wrong))
        ask(environment(room / "fresh", wheel), version, room)
    for made in (wheel, sdist):
        print(f"{made}: {made.stat().st_size / 1e6:.1f} MB, checked")


if __name__ == "__main__":
    main()
