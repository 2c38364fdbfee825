# Everything a learner or an instructor does with the course. `make help` lists the targets.
# The only thing to have beforehand is Python 3.10 or newer (and make).

PYTHON ?= python3
LESSON ?=
PORT ?= 8888
ARGS ?=
WORKERS ?= 2
# One thread for each kernel and test worker: faster on small models, and the same numbers anywhere.
OMP_NUM_THREADS ?= 1
export OMP_NUM_THREADS
# Where this is set, every kernel compiles torch's Python files anew: several seconds each time.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
STAMP := $(VENV)/.installed
LAB_SETTINGS := $(VENV)/share/jupyter/lab/settings
STAGES := lint unit nbval solutions browser

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

.PHONY: help
help: ## list the targets
	@echo "make TARGET, where TARGET is one of:"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' Makefile
	@echo "UV_TORCH_BACKEND=cpu make lab installs PyTorch without CUDA (about 1 GB instead of 6)."

# ---- installation ---------------------------------------------------------------------------

$(PY):
	@command -v $(PYTHON) >/dev/null || { \
	  echo "make: no $(PYTHON) here. Install Python 3.10 or newer, or name one: make PYTHON=python3.12 venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "make: the course needs Python 3.10 or newer; $(PYTHON) is `$(PYTHON) --version 2>&1`. Name a newer one: make PYTHON=python3.12 venv" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: $(PYTHON) cannot make virtual environments. On Debian or Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)

$(UV): | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check -c requirements.txt uv

# The overrides spare the first visit JupyterLab's question about news.
$(STAMP): requirements.txt pyproject.toml binder/overrides.json | $(UV)
	@echo "Installing into $(VENV): about 6 GB on Linux, 1 GB with UV_TORCH_BACKEND=cpu."
	$(UV) pip install --python $(PY) -r requirements.txt
	$(UV) pip install --python $(PY) --no-deps -e .
	@mkdir -p $(LAB_SETTINGS) && cp binder/overrides.json $(LAB_SETTINGS)/overrides.json
	@touch $@

.PHONY: venv
venv: $(STAMP) ## make .venv and install the pinned packages and the course

.PHONY: chromium
chromium: venv ## find a browser for the browser tests, or install one
	@$(PY) -m tools.chromium

# ---- reading --------------------------------------------------------------------------------

# The address that it prints leads to the lesson too, for those without a browser beside it.
# JupyterLab refuses to run as root unless told; in a container there is nobody else.
.PHONY: lab
lab: venv ## open JupyterLab on the first lesson [LESSON=02 PORT=8888 ARGS=--no-browser]
	$(PY) -m jupyterlab --port=$(PORT) --ServerApp.root_dir=. \
	  --LabApp.default_url=/lab/tree/$(or $(firstword $(sort $(wildcard notebooks/$(LESSON)*.ipynb))),notebooks) \
	  `test "$$(id -u)" -ne 0 || echo --allow-root` $(ARGS)

# ---- checking -------------------------------------------------------------------------------

.PHONY: test
test: venv ## check everything: lint, unit, nbval, solutions, browser
	@started=`date +%s`; for stage in $(STAGES); do \
	  echo; echo "---- make $$stage"; since=`date +%s`; \
	  $(MAKE) --no-print-directory $$stage || { \
	    echo "make test: $$stage failed. After a change, run it alone: make $$stage" >&2; exit 1; }; \
	  echo "---- $$stage passed in $$((`date +%s` - since)) s"; \
	done; echo; echo "make test: everything passed ($(STAGES)) in $$((`date +%s` - started)) s"

.PHONY: lint
lint: venv ## check style and format of package, tools, tests and lessons
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

.PHONY: unit
unit: venv ## run every test but those of the browser
	$(PY) -m pytest -n $(WORKERS) --dist loadgroup --ignore=tests/browser --ignore=tests/bench tests

.PHONY: nbval
nbval: venv ## re-execute the lessons and compare every output [LESSON=01]
	$(PY) -m tools.nbval $(LESSON)

.PHONY: solutions
solutions: venv ## build the answered lessons and run them [LESSON=01]
	$(PY) -m tools.solutions $(LESSON)

.PHONY: browser
browser: venv chromium ## run the lessons and explorers in a real browser
	$(PY) -m pytest tests/browser

.PHONY: bench
bench: venv ## report the measured speeds and sizes
	@for script in tests/bench/bench_*.py; do echo "---- $$script"; $(PY) $$script || exit 1; done

# ---- changing -------------------------------------------------------------------------------

.PHONY: sync
sync: venv ## carry each lesson's .py over to its .ipynb [LESSON=01]
	$(PY) -m tools.sync $(LESSON)

.PHONY: execute
execute: venv ## run the lessons and write their outputs [LESSON=01]
	$(PY) -m tools.execute $(LESSON)

.PHONY: student
student: venv ## build the lessons without outputs, for a class [LESSON=01]
	$(PY) -m tools.student $(LESSON)

.PHONY: badges
badges: venv ## write the launch links of a public home [REPO=owner/name; REPO= removes them]
	$(PY) -m tools.badges $(if $(filter undefined,$(origin REPO)),,--repository '$(REPO)')

# torch itself asks for the CUDA packages that fit it, and its CPU build for none: pinning them
# here would bring gigabytes to machines that cannot use them.
.PHONY: requirements
requirements: | $(UV) ## pin the versions in requirements.txt anew [ARGS=--upgrade]
	env -u UV_TORCH_BACKEND $(UV) pip compile --quiet --universal --python-version 3.10 \
	  --all-extras --strip-extras --no-annotate --no-header --no-emit-index-url $(ARGS) \
	  pyproject.toml -o requirements.txt
	{ echo '# Made from pyproject.toml by `make requirements`: do not edit.'; \
	  grep -Ev '^(#|nvidia-|cuda-|triton)' requirements.txt; } > requirements.tmp
	mv requirements.tmp requirements.txt

.PHONY: clean
clean: ## remove what builds and tests leave behind, but not .venv
	rm -rf build dist test-results _site *.egg-info .pytest_cache .ruff_cache
	find course_utils tools tests notebooks -name __pycache__ -prune -exec rm -rf {} +
	find notebooks -name .ipynb_checkpoints -prune -exec rm -rf {} +
