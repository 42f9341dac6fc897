# Two commands to know: `make serve` and `make test`. Both install what they need
# into .venv first; from the second run on they start at once.
#
# OPENIM_* variables reach the server: OPENIM_WS_PORT=20001 make serve
# ARGS goes to the program:            make serve ARGS="--config openim.toml"
#                                      make test ARGS="tests/unit -x"

export VENV ?= .venv
ARGS ?=
# Sources of the load generator (Go); without it the benchmarks do what they can.
LOAD_DIR ?= ../shared/load

.PHONY: help serve setup test check format bench clean

help:
	@echo "make serve   install and start the server"
	@echo "make test    install with test tools and run every check and test"
	@echo "make setup   install with test tools only"
	@echo "make check   make test without looking at the installation"
	@echo "make format  let ruff mend what it can"
	@echo "make bench   measure (docs/performance.md)"
	@echo "make clean   remove .venv and caches; data/ stays"

serve:
	@scripts/setup serve
	@exec $(VENV)/bin/openim-ray up $(ARGS)

setup:
	@scripts/setup test

test: setup
	@scripts/check $(ARGS)

check:
	@scripts/check $(ARGS)

format: setup
	@$(VENV)/bin/ruff check --quiet --fix . || true
	@$(VENV)/bin/ruff format --quiet .

bench: setup
	@mkdir -p results
	@if ! command -v go >/dev/null; then \
		echo "bench: Go is not installed: without the load generator"; \
	elif [ ! -d "$(LOAD_DIR)" ]; then \
		echo "bench: no folder $(LOAD_DIR) (set LOAD_DIR): without the load generator"; \
	else \
		cd "$(LOAD_DIR)" && go build -o "$(CURDIR)/results/load" .; \
	fi
	@$(VENV)/bin/python -m tests.benchmarks $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find openim_ray actors storage scripts tests -name __pycache__ -prune -exec rm -rf {} +
