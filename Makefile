# Two commands set everything up on a machine that has Python (3.11 or newer), git and make: `make demo` and `make test`.
PYTHON ?= python3
# The release that the tests run with; any that pyproject.toml admits will do.
TORCH ?= torch==2.13.0
WORKERS ?= $(shell nproc 2>/dev/null || echo 1)
VENV := .venv
BIN := $(VENV)/bin
LOWEST := .venv-lowest

.PHONY: demo test test-lowest wheel bench docs store clean

demo: $(VENV)/installed
	@$(BIN)/python examples/demo.py

test: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n $(WORKERS) --dist loadfile

# The core with the lowest versions that pyproject.toml admits. Tests of optional libraries and of published data skip: `make test` has them.
# Left out is what takes long and depends on no library.
test-lowest: $(LOWEST)/installed
	ROBBENCH_REFERENCE=none $(LOWEST)/bin/pytest -n $(WORKERS) --dist loadfile --ignore tests/builders -p no:cacheprovider \
	    -k "not killed and not processes and not threads and not random_search and not development_groups"

# The sdist and the wheel that are released, in dist: built, looked at, installed where nothing else is, and asked. With TAG=v1.2.3 the version must be that.
wheel:
	$(PYTHON) .ci/release.py --dist dist $(if $(TAG),--tag $(TAG))

bench: $(VENV)/installed-dev
	$(BIN)/python benchmarks/query.py
	$(BIN)/python benchmarks/stacked.py
	$(BIN)/python benchmarks/attacks.py
	$(BIN)/python benchmarks/search.py

# The site, from docs/ and the docstrings, in build/docs: notebooks are run, a warning is an error, nothing is fetched.
docs: $(VENV)/installed-docs
	$(BIN)/sphinx-build --jobs auto --fail-on-warning --keep-going docs build/docs

# Builds the embedded store again, an hour and a half on two cores; stop it whenever you like, and go on with the same command.
store: $(VENV)/installed-dev
	$(BIN)/robbench build plan scratch/digits --dataset digits --recipe digits --evaluation digits-light --stack 16
	$(BIN)/robbench build run scratch/digits --device cpu --workers $(WORKERS)
	$(BIN)/robbench build merge scratch/digits --into scratch/robbench-digits.h5
	$(BIN)/robbench fit scratch/robbench-digits.h5 --model networks \
	    --target clean+fgsm+pgd+apgd-ce+square+worst_case+mean_corruption

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml $(VENV)/installed
	$(BIN)/python -m pip install --quiet '$(TORCH)'
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

$(VENV)/installed-docs: pyproject.toml $(VENV)/installed-dev
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	@touch $@

$(LOWEST)/installed: pyproject.toml .ci/lowest.py
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python .ci/lowest.py > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip install --quiet --requirement $(LOWEST)/lowest.txt --editable .
	@touch $@

clean:
	rm -rf $(VENV) $(LOWEST) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
