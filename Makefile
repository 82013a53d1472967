# make demo   the whole way on the embedded data and model; make test   the tests
# make e2e    the same way on a data set of your choice, rule by rule:
#             make e2e RECIPE=wnut17 SOURCE=DIR WORKSPACE=wnut BERT_MODEL=minilm NUM_EPOCHS=3

RECIPE     ?= sample
SOURCE     ?=
WORKSPACE  ?= workspace
BERT_MODEL ?= minilm
APPROACH   ?= dynamic
TOLERANCE  ?= 0.01

# These reach every command as environment variables; unset ones take the recipe's value or nertool's default.
export BERT_MODEL MAX_LENGTH OUTPUT_DIR BATCH_SIZE NUM_EPOCHS SAVE_STEPS LEARNING_RATE SEED

NERTOOL = .venv/bin/nertool
W       = -w $(WORKSPACE)
MODEL   = $(WORKSPACE)/$(or $(OUTPUT_DIR),model)/config.json

.PHONY: help demo test e2e check format clean
help:
	@sed -n '1,4s/^# //p' Makefile

# -- set-up ---------------------------------------------------------------------------------

USABLE = import ensurepip, sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))
PYTHON = $(firstword $(foreach python,python3.11 python3.12 python3.10 python3,\
           $(shell $(python) -c '$(USABLE)' >/dev/null 2>&1 && echo $(python))))

.venv/installed: requirements.lock pyproject.toml
	$(if $(PYTHON),,$(error nertool needs Python 3.11, 3.12 or 3.10 with the venv module, and none of them was found))
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --no-deps -r requirements.lock
	@# torch once more, with what it needs: nothing for the CPU build, the CUDA libraries for the other
	.venv/bin/pip install --quiet -c requirements.lock torch
	.venv/bin/pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

# -- what one runs --------------------------------------------------------------------------

demo: .venv/installed
	$(NERTOOL) run sample -w demo
	printf '%s\n' 'Anna Keller of Nordbank flew from Vienna to Lake Brandt .' | $(NERTOOL) predict -w demo --quantized

test: .venv/installed
	.venv/bin/pytest

check: .venv/installed
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

format: .venv/installed
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

clean:
	rm -rf .venv demo build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
