# figureground: make and Python 3.11 or newer are all that is needed; everything else goes into .venv

VENV    := .venv
BIN     := $(VENV)/bin
# a Python to make .venv with (default: the first of python3, python3.13, ... that is new enough)
PYTHON  ?=
# where `make demo` writes
OUT     ?= out/demo
# test processes; each uses one thread
WORKERS ?= auto
# more words for pytest: make test ARGS="tests/maps -k blank"
ARGS    ?=

ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
UV := $(BIN)/python -m uv

GROUPS_run   :=
GROUPS_test  := --group test
GROUPS_dev   := --group dev
GROUPS_bench := --group bench
GROUPS_docs  := --group docs

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test check looks bench format docs constraints tables rebuild

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.installed-dev ## .venv with the package and everything that tests and checks need

demo: $(VENV)/.installed-run ## explain the embedded digits; the report lands in out/demo
	$(BIN)/figureground demo --out $(OUT)

test: $(VENV)/.installed-test ## all tests but the slow, gpu and network ones
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 $(ARGS)

check: $(VENV)/.installed-dev ## style, types, floors, spelling, house rules, tables of the README
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(ONE_THREAD) $(BIN)/python -m pytest -q tests/house
	$(BIN)/python docs/tables.py --check
	$(BIN)/python experiments/tables.py --check

looks: $(VENV)/.installed-test ## every experiment at its smallest (needs the packs and weights)
	$(ONE_THREAD) $(BIN)/python experiments/looks.py --out out/looks

bench: $(VENV)/.installed-bench ## time and compare with other packages
	$(BIN)/python benchmarks/run.py $(ARGS)

format: $(VENV)/.installed-dev ## mend layout and import order
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

tables: $(VENV)/.installed-run ## write tables anew: from the registries, and from the numbers of the experiments
	$(BIN)/python docs/tables.py
	$(BIN)/python experiments/tables.py

docs: $(VENV)/.installed-docs ## the documentation as a web site, in site
	$(BIN)/python -m mkdocs build --strict

constraints: $(VENV)/.made ## newest versions of everything we depend on, in constraints.txt
	$(UV) pip compile pyproject.toml --all-extras --group dev --group bench --group docs \
	  --universal --python-version 3.11 --fork-strategy fewest --upgrade --quiet \
	  --no-emit-index-url --no-emit-find-links --no-annotate \
	  --custom-compile-command "make constraints" --output-file constraints.txt

# .venv is looked at on every call (20 ms): it may be half-made, moved, or its Python may be gone
ifneq ($(shell $(BIN)/python -c "print(open('$(VENV)/.made').read().strip())" 2>/dev/null),$(CURDIR))
$(VENV)/.made: rebuild
endif
$(VENV)/.made:
	@sh .ci/make-venv $(VENV) $(PYTHON)

$(VENV)/.installed-%: $(VENV)/.made pyproject.toml constraints.txt
	$(UV) pip install --python $(BIN)/python --constraints constraints.txt --editable . $(GROUPS_$*)
	@touch $@
