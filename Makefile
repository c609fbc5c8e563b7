# FusionCIM: `make demo` and `make test` work from a fresh clone; they set up .venv first.
MAKEFLAGS += --no-print-directory
# The Python that .venv is made with; empty: the first usable one.
PYTHON ?=
TEST_JOBS ?= 2
PYTEST_ARGS ?=
FUZZ_INPUTS ?= 5000
FUZZ_SEED ?= 1
# A process that has nothing left takes tests from another.
PARALLEL = -n $(TEST_JOBS) --dist worksteal
SYSTEM_TESTS := tests/sim/soc/test_run.py
CHIP_TESTS := tests/hw/engine tests/hw/chip tests/hw/verilog tests/hw/integration/test_fusesoc.py tests/sim/library tests/sim/soak $(SYSTEM_TESTS)
COVERAGE_TESTS := tests/hw/engine tests/hw/chip tests/hw/lib tests/sim/library
LLM_TESTS := tests/golden/pytorch tests/sim/llm tests/sim/heads/test_torch_file.py
DOCS_TESTS := tests/docs
FORMAL_TESTS := tests/hw/formal
PAGES_TESTS := tests/sim/pages/test_slow_pages.py
READER_TESTS := tests/hw/readers
UNKNOWNS_TESTS := tests/hw/engine tests/hw/chip tests/hw/lib tests/sim/gates/test_power_up.py

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
LLM_STAMP := $(VENV)/.set-up-llm
FPGA_STAMP := $(VENV)/.set-up-fpga
DOCS_STAMP := $(VENV)/.set-up-docs
READERS_STAMP := $(VENV)/.set-up-readers
RELEASE_STAMP := $(VENV)/.set-up-release
TRACE_STAMP := $(VENV)/.set-up-trace

# Nothing but the locked packages in .venv may be imported.
unexport PYTHONPATH PYTHONHOME
export PYTHONNOUSERSITE := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-llm test-fpga test-chips test-nightly test-coverage test-inputs fuzz test-formal test-unknowns test-readers test-docs test-links test-pages docs release audit measure lint format lock clean setup FORCE

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(STAMP) ## Run the demonstration
	@$(BIN)/fusioncim demo

test: lint ## Run the linters, the type checker and all tests (TEST_JOBS=2 at a time)
	@$(BIN)/python -m pytest $(PARALLEL) $(patsubst %,--ignore %,$(LLM_TESTS) $(DOCS_TESTS) $(FORMAL_TESTS) $(PAGES_TESTS) $(READER_TESTS) $(SYSTEM_TESTS)) $(PYTEST_ARGS)

test-llm: $(LLM_STAMP) ## Install PyTorch and a small language model, and run the tests that need them
	@$(BIN)/python -m pytest $(PARALLEL) $(LLM_TESTS) $(PYTEST_ARGS)

test-fpga: $(FPGA_STAMP) ## Install nextpnr, make bitstreams of a small engine and simulate their netlists
	@$(BIN)/python -m pytest $(PARALLEL) tests/hw/fpga $(PYTEST_ARGS)

test-formal: $(STAMP) ## Prove properties of the RTL, and see that each proof fails once the RTL has a fault
	@$(BIN)/python -m pytest $(PARALLEL) $(FORMAL_TESTS) $(PYTEST_ARGS)

test-chips: $(TRACE_STAMP) ## Run every case of the tests of engines, whole chips, their libraries and the system; make test takes a part
	@FUSIONCIM_ALL_CASES=1 $(BIN)/python -m pytest $(PARALLEL) $(CHIP_TESTS) $(PYTEST_ARGS)

test-nightly: $(STAMP) ## Run random jobs on chips and engines in which every pair of parameters occurs; make test takes a few
	@FUSIONCIM_ALL_CASES=1 $(BIN)/python -m pytest $(PARALLEL) tests/hw/chip/test_covering_array.py $(PYTEST_ARGS)

test-coverage: $(STAMP) ## Run the tests of the RTL with its coverage, and write measurements/coverage.json; takes hours
	@FUSIONCIM_ALL_CASES=1 FUSIONCIM_COVERAGE=rtl $(BIN)/python -m pytest $(PARALLEL) $(COVERAGE_TESTS) $(PYTEST_ARGS)
	@$(BIN)/fusioncim measure coverage

test-inputs: $(STAMP) ## Give every bad input of the table to the commands; make test takes a part of it
	@FUSIONCIM_ALL_CASES=1 $(BIN)/python -m pytest -n $(TEST_JOBS) tests/sim/cli/test_bad_inputs.py $(PYTEST_ARGS)

fuzz: $(STAMP) ## Spoil FUZZ_INPUTS=5000 input files of every kind, from the seed FUZZ_SEED=1 on
	@FUZZ_INPUTS=$(FUZZ_INPUTS) FUZZ_SEED=$(FUZZ_SEED) $(BIN)/python -m pytest -n $(TEST_JOBS) tests/sim/cli/test_fuzz.py $(PYTEST_ARGS)

test-unknowns: $(STAMP) ## Run engines and chips with unknown values at power-up, watched, and with random ones
	@FUSIONCIM_POWER_UP=watched $(BIN)/python -m pytest $(PARALLEL) $(UNKNOWNS_TESTS) $(PYTEST_ARGS)
	@for seed in 2 3; do FUSIONCIM_POWER_UP=$$seed FUSIONCIM_SIMULATOR=verilator \
	  $(BIN)/python -m pytest $(PARALLEL) tests/hw/engine tests/hw/chip/test_chip.py $(PYTEST_ARGS) || exit 1; done

test-readers: $(READERS_STAMP) ## Install Verible, and let other tools read the Verilog of many chips
	@$(BIN)/python -m pytest $(PARALLEL) $(READER_TESTS) $(PYTEST_ARGS)

docs: $(DOCS_STAMP) ## Install Sphinx, and build the site in build/docs/html; a warning is an error
	@$(BIN)/python -m sphinx -q -W --keep-going -d build/docs/doctrees docs build/docs/html
	@echo "open build/docs/html/index.html"

test-docs: $(DOCS_STAMP) ## Build the site from nothing, its notebooks run again, and check every link in it
	@rm -rf build/docs
	@$(MAKE) docs
	@$(BIN)/python -m pytest -n $(TEST_JOBS) $(DOCS_TESTS) $(PYTEST_ARGS)

test-links: $(DOCS_STAMP) ## Ask for every link to another site; needs a network, and no other target does this
	@$(BIN)/python -m sphinx -q -b linkcheck --keep-going -d build/docs/doctrees docs build/docs/links; status=$$?; \
	  if [ $$status -ne 0 ]; then echo "test-links: needs a network; what is broken is in build/docs/links/output.txt" >&2; fi; \
	  exit $$status

test-pages: $(TRACE_STAMP) ## Run the commands of the how-tos that take minutes, at small sizes
	@$(BIN)/python -m pytest $(PARALLEL) $(PAGES_TESTS) $(PYTEST_ARGS)

release: $(RELEASE_STAMP) ## Build wheel, sdist and bill of materials in dist, and check them
	@rm -rf dist
	@$(BIN)/python -m hatchling build -d dist
	@$(BIN)/python -m twine check --strict dist/*
	@$(BIN)/python -m cyclonedx_py requirements requirements.lock --pyproject pyproject.toml --output-reproducible \
		-o dist/fusioncim.cdx.json

audit: $(RELEASE_STAMP) ## Look the locked packages up in the database of known weaknesses; needs the network
	@$(BIN)/python -m pip_audit --strict --disable-pip --require-hashes --progress-spinner off -r requirements.lock

measure: $(STAMP) ## Measure the design
	@$(BIN)/fusioncim measure

lint: $(STAMP) ## Run the linters and the type checker
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary

format: $(STAMP) ## Format the Python code and apply the linter's safe fixes
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

setup: $(STAMP) ## Only set up .venv with the locked packages

lock: ## Remake requirements.lock: versions that pyproject.toml allows, and hashes of their files
	@PYTHON="$(PYTHON)" setup/lock

clean: ## Remove everything built except .venv
	@rm -rf build dist sim_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find golden hw sim tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# The stamp holds the directory it was made for: a virtual environment does not survive being moved.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
$(STAMP): FORCE
endif
$(STAMP): pyproject.toml requirements.lock setup/set-up setup/common
	@PYTHON="$(PYTHON)" setup/set-up $(STAMP)
$(LLM_STAMP) $(FPGA_STAMP) $(DOCS_STAMP) $(READERS_STAMP) $(RELEASE_STAMP) $(TRACE_STAMP): $(VENV)/.set-up-%: $(STAMP) setup/set-up-extra
	@setup/set-up-extra $@ $*
