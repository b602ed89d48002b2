# make demo, make test: each does all its own set-up. Needs Python 3.11+ (with venv) and make.
PYTHON ?= python3
BIN := .venv/bin
export TOKENIZERS_PARALLELISM := false

PYTHON_FILES := src tests benchmarks docs .ci $(wildcard *.py)

.PHONY: install demo test test-slow test-floors test-all fuzz lint lock advisories clean

install: .venv/.installed

# torch comes first and pinned, so that nothing else chooses another build of it; its builds differ between indexes,
# so it is the one package that is locked without a hash
TORCH = "$$(grep '^torch==' requirements.txt)"

.venv/.installed: requirements.txt requirements-dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tricue needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.txt -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

demo: install
	$(BIN)/tricue demo

lint: install
	$(BIN)/ruff check $(PYTHON_FILES)
	$(BIN)/ruff format --check $(PYTHON_FILES)
	$(BIN)/mypy
	$(BIN)/lint-imports

# a process per core, each computing with one thread
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow and not realdata" -n auto --dist loadfile

# what `make test` leaves out: slow by nature, or reading ../shared
test-slow: install
	$(BIN)/python -m pytest -m "slow or realdata"

# the quick tests with every dependency at the lowest version that pyproject.toml admits
test-floors: .venv-floors/.installed
	OMP_NUM_THREADS=1 .venv-floors/bin/python -m pytest -m "not slow and not realdata" -n auto --dist loadfile

.venv-floors/.installed: requirements.txt requirements-dev.txt pyproject.toml .ci/floors.py
	$(PYTHON) -m venv .venv-floors
	$(PYTHON) .ci/floors.py > .venv-floors/constraints.txt
	.venv-floors/bin/python -m pip install --quiet $(TORCH)
	.venv-floors/bin/python -m pip install --quiet -r .venv-floors/constraints.txt -c .venv-floors/constraints.txt \
		--editable '.[faces,ray,serve,onnx]' pandas pysubs2 httpx
	touch $@

test-all: test test-slow test-floors

# 50,000 damaged inputs for every loader, and for the service as many as it takes in 25 minutes; `make test-slow`: 500
fuzz: install
	TRICUE_FUZZ=50000 $(BIN)/python -m pytest -k fuzz -n auto --timeout=0

# published advisories against the locked versions; needs a connection to pypi.org, and fails where it has none
advisories: install
	$(BIN)/python -m pip install --quiet pip-audit
	for lock in requirements.txt requirements-dev.txt; do \
		$(BIN)/pip-audit --strict --disable-pip --require-hashes -r $$lock || exit 1; done

# writes both locks anew (delete them first to take newer versions); needs pip-tools
LOCK := pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-find-links --no-header --generate-hashes
lock:
	printf 'torch==2.13.0\n' > .lock-constraint
	$(LOCK) --constraint .lock-constraint --output-file requirements.txt pyproject.toml
	$(LOCK) --constraint requirements.txt --extra dev --output-file requirements-dev.txt pyproject.toml
	sed -i '/^torch==/,/# via/ { /--hash/d; s/+cpu//; s/ \\$$// }; /\.lock-constraint/d; s/^    # via\r$$//' \
		requirements.txt requirements-dev.txt
	rm .lock-constraint

clean:
	rm -rf .venv .venv-floors runs .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
