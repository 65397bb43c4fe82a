"""Print the lowest versions that pyproject.toml admits, `name==1.2` for each `name>=1.2`: of the core dependencies and of the tools of the tests."""

import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
tools = [line for line in project["optional-dependencies"]["dev"] if line.startswith(("pytest", "hypothesis"))]
print(*(line.replace(">=", "==") for line in [*project["dependencies"], *tools]), sep="\n")
