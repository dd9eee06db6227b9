# Each target makes .venv first if it is missing or older than what it is made from.
PYTHON ?= python3
# The documentation's theme prints an announcement otherwise.
export NO_MKDOCS_2_WARNING := 1
BIN := .venv/bin

.PHONY: demo test test-quick test-full check bench costs docs figures clean

demo: .venv/core
	$(BIN)/python examples/demo.py

# A process a core, and each with one thread, is quicker than the other way round.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal

test: .venv/dev
	$(PYTEST)

test-quick: .venv/dev
	$(PYTEST) -m "not slow and not full"

test-full: .venv/dev
	$(PYTEST) -m "full or not full" --timeout 7200

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/mkdocs build --strict --quiet

bench: .venv/dev
	$(BIN)/python benchmarks/small_images.py --json docs/speed/small_images.json
	$(BIN)/python benchmarks/import_time.py --json docs/speed/import_time.json
	$(BIN)/python benchmarks/build.py --json docs/speed/build.json
	$(BIN)/python benchmarks/summary.py --json docs/speed/summary.json
	$(BIN)/python benchmarks/eager.py --json docs/speed/eager.json
	$(BIN)/python benchmarks/train.py --json docs/speed/train.json
	$(BIN)/python benchmarks/decode.py --json docs/speed/decode.json
	$(BIN)/python benchmarks/waiting.py --json docs/speed/waiting.json
	$(BIN)/python benchmarks/ranks.py --json docs/speed/ranks.json
	$(BIN)/python benchmarks/cifar.py --minutes 25 --json docs/speed/cifar.json

# What convatlas list and compare print.
costs: .venv/dev
	$(BIN)/python -c 'from convatlas.costs import write_costs; write_costs()'

figures: .venv/dev
	$(BIN)/python benchmarks/figures.py

docs: .venv/dev
	$(BIN)/mkdocs build --strict

clean:
	rm -rf .venv site build

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: ConvAtlas needs Python 3.11 or later, $(PYTHON) is another one. Do: make PYTHON=python3.11 $(MAKECMDGOALS)."; exit 2; }
	$(PYTHON) -m venv .venv

.venv/core: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/dev: .venv/core
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
