# Two commands for a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= runs/demo

.PHONY: demo test check lint rooms clean

demo: $(VENV)/installed
	@$(BIN)/edgepress demo --out $(OUT) || { code=$$?; \
	case $$code in 1|3) ;; *) exit $$code ;; esac; }  # a verdict is no error of make's

test: $(VENV)/installed
	$(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder -m 'not slow and not alone and not light'
	$(BIN)/python -m pytest -q -m 'alone and not slow and not light'

check: lint test

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

rooms: $(VENV)/installed
	$(BIN)/python docs/rooms.py

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "edgepress needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet torch==2.13.0 -c constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[all,dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
