# make demo, make test: each does all its own set-up. Needs Python 3.11+ (with venv) and make.
PYTHON ?= python3
BIN := .venv/bin
export TOKENIZERS_PARALLELISM := false

.PHONY: install demo test test-slow test-all fuzz lint lock clean

install: .venv/.installed

# torch comes first and pinned, so that nothing else chooses another build of it
.venv/.installed: requirements.txt requirements-dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tricue needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet "$$(grep '^torch==' requirements.txt)"
	$(BIN)/python -m pip install --quiet -r requirements.txt -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

demo: install
	$(BIN)/tricue demo

lint: install
	$(BIN)/ruff check src tests benchmarks docs train.py evaluate.py predict.py
	$(BIN)/ruff format --check src tests benchmarks docs train.py evaluate.py predict.py
	$(BIN)/mypy
	$(BIN)/lint-imports

# a process per core, each computing with one thread
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow and not realdata" -n auto --dist loadfile

# what `make test` leaves out: slow by nature, or reading ../shared
test-slow: install
	$(BIN)/python -m pytest -m "slow or realdata"

test-all: test test-slow

# what the service answers to 10,000 files that are none; `make test-slow` sends it 500
fuzz: install
	TRICUE_FUZZ=10000 $(BIN)/python -m pytest tests/serve -k fuzz

# writes both locks anew (delete them first to take newer versions); needs pip-tools
lock:
	printf 'torch==2.13.0\n' > .lock-constraint
	pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-find-links \
		--constraint .lock-constraint --output-file requirements.txt pyproject.toml
	pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-find-links \
		--extra dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml
	sed -i 's/^torch==\(.*\)+cpu/torch==\1/; /\.lock-constraint/d; s/^    # via\r$$//' requirements.txt requirements-dev.txt
	rm .lock-constraint

clean:
	rm -rf .venv runs .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
