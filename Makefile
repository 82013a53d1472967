# make demo   the whole way on the embedded data and model; make test   the tests
# make test-latest   the tests on current releases of transformers, and those without a model on the newest Python
# make faults   kills, full disks, damaged files and the like, far more than the tests try; PART=0.1 for a tenth
# make slim   the steps of the Dockerfile, without Docker, and a server that tags a sentence
# make lock   the lock files anew from pyproject.toml; make dist   wheel and sdist, installed and tried
# make e2e    the same way on a data set of your choice, rule by rule:
#             make e2e RECIPE=wnut17 SOURCE=DIR WORKSPACE=wnut BERT_MODEL=minilm NUM_EPOCHS=3
#             make e2e DATA='--train-file train.conllu --dev-file dev.conllu --task pos' WORKSPACE=own

RECIPE    ?= sample
DATA      ?= $(RECIPE) $(if $(SOURCE),--source '$(SOURCE)') $(if $(TASK),--task $(TASK))
WORKSPACE ?= workspace
BACKEND   ?= inc
APPROACH  ?= dynamic
TOLERANCE ?= 0.01

# The README's variables reach every command through the environment; those not set take the recipe's value.
VARIABLES = BERT_MODEL MAX_LENGTH OUTPUT_DIR BATCH_SIZE NUM_EPOCHS SAVE_STEPS LEARNING_RATE SEED
export $(VARIABLES)

# A variable that is misspelt would change nothing, and make takes a blank for the end of a name.
KNOWN = RECIPE DATA SOURCE TASK WORKSPACE BACKEND APPROACH TOLERANCE PART UPGRADE PYTHON $(VARIABLES)
GIVEN = $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
$(foreach name,$(filter-out $(KNOWN),$(GIVEN)),\
  $(error $(name)= is none of the variables here, which are $(KNOWN). Others go in front: $(name)=... make))
$(foreach name,WORKSPACE OUTPUT_DIR,$(if $(word 2,$($(name))),$(error $(name)='$($(name))': make takes no blank in it)))

NERTOOL  = .venv/bin/nertool
W        = $(WORKSPACE)
DOWNLOAD = $(NERTOOL) download $(DATA) -w $W
QUANTIZE = $(NERTOOL) quantize --backend $(BACKEND) --approach $(APPROACH) --tolerance $(TOLERANCE) -w $W

.PHONY: help demo test test-latest faults check docs format lock slim dist clean e2e FORCE
help:
	@sed -n '1,9s/^# //p' Makefile

# -- set-up ---------------------------------------------------------------------------------

# The interpreters among $1 that have the module venv and a version from 3.10 to 3.$2
usable = $(foreach python,$1,$(shell $(python) -c 'import ensurepip, sys; \
           sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, $2))' >/dev/null 2>&1 && echo $(python)))

PYTHON = $(firstword $(call usable,python3.11 python3.12 python3.10 python3,12))
ALL    = $(call usable,$(foreach minor,14 13 12 11 10,python3.$(minor)) \
           $(wildcard $(HOME)/.pyenv/versions/3.*/bin/python),14)
TORCH  = $(shell grep '^torch==' requirements-latest.lock)
NEWEST = $$(.venv/bin/python .ci/pythons.py $1 $(PYTHON) $(ALL))

# torch once more, with what it needs: nothing for the CPU build, the CUDA libraries for the other
define INSTALL_PACKAGES
$(@D)/bin/pip install --quiet --no-deps -r $<
$(@D)/bin/pip install --quiet -c $< torch
endef

# byte code now, so that the first call is as quick as later ones
define INSTALL_NERTOOL
$(@D)/bin/pip install --quiet --no-deps --no-build-isolation --config-settings editable_mode=compat -e .
$(@D)/bin/python -m compileall -q nertool
touch $@
endef

.venv/installed: requirements.lock pyproject.toml
	$(if $(PYTHON),,$(error nertool needs Python 3.11, 3.12 or 3.10 with the venv module, and none of them was found))
	$(PYTHON) -m venv .venv
	$(INSTALL_PACKAGES)
	$(INSTALL_NERTOOL)

.venv-latest/installed: requirements-latest.lock pyproject.toml | .venv/installed
	$(call NEWEST,--torch $(TORCH)) -m venv --clear .venv-latest
	$(INSTALL_PACKAGES)
	$(INSTALL_NERTOOL)

# Everything but PyTorch and what is of no use without it
WITHOUT_TORCH = grep -vE '^(torch|transformers|tokenizers|accelerate|datasets|onnx|onnxruntime|tensorboard|optuna)=='

.venv-light/installed: requirements-latest.lock pyproject.toml | .venv/installed
	$(NEWEST) -m venv --clear .venv-light
	$(WITHOUT_TORCH) $< >.venv-light/packages.txt
	.venv-light/bin/pip install --quiet --no-deps -r .venv-light/packages.txt
	$(INSTALL_NERTOOL)

# -- what one runs --------------------------------------------------------------------------

SENTENCES = 'Anna Keller left Nordbank for a firm in Vienna .' 'The mayor of Linburg spoke to May Walton .' \
            'Apple opened a school in Paris on Friday .'

demo: .venv/installed
	$(NERTOOL) run sample -w demo
	@printf '%s\n' $(SENTENCES) | $(NERTOOL) predict -w demo --quantized

# As many test processes as processors. A file, whose tests share a model or a cluster, is run by one of them; files
# with slow tests come first, as tests/conftest.py puts them.
PARALLEL = -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder

test: .venv/installed
	.venv/bin/pytest $(PARALLEL)

# What no release of transformers bears on is tested once.
FAULTS = bad_options damaged_files full_disk hostile_text kills permissions streams tag_columns
ONCE   = workspace docs cli/test_main.py documents report $(FAULTS:%=faults/test_%.py)

test-latest: .venv-latest/installed .venv-light/installed
	.venv-latest/bin/pytest $(PARALLEL) -m model $(ONCE:%=--ignore=tests/%)
	.venv-light/bin/pytest $(PARALLEL) -m 'not model'

PART ?= 1
faults: .venv/installed
	.venv/bin/python tests/faults/campaign.py --part $(PART)

check: .venv/installed
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

# The page of options anew, and the site in build/site; a broken link is an error.
docs: .venv/docs-installed
	.venv/bin/python docs/options.py
	.venv/bin/mkdocs build --strict -f docs/mkdocs.yml

.venv/docs-installed: .venv/installed
	.venv/bin/pip install --quiet -c requirements.lock --no-build-isolation --config-settings editable_mode=compat -e '.[docs]'
	touch $@

format: .venv/installed
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

lock: .venv/installed
	.venv/bin/python .ci/lock.py $(if $(UPGRADE),--upgrade)

slim: .venv/installed
	.venv/bin/python .ci/slim.py .venv-slim

# The wheel is built from the sdist, and gets what it asks for, not what a lock file holds.
dist: .venv/installed
	rm -rf dist .venv-dist
	.venv/bin/python -c "from setuptools import build_meta; build_meta.build_sdist('dist')"
	.venv/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist dist/nertool-*.tar.gz
	$(PYTHON) -m venv .venv-dist
	.venv-dist/bin/pip install --quiet --constraint requirements-latest.lock dist/nertool-*.whl
	cd .venv-dist && bin/python ../.ci/installed.py

clean:
	rm -rf .venv .venv-latest .venv-light .venv-dist .venv-slim demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# -- the workspace, file by file ------------------------------------------------------------
# make decides by times what may be out of date, nertool by digests what is: a command whose inputs hold the same
# bytes as before says "nothing to do", and `touch` tells make so. Data without a test file have no test results.

CONFIG = $W/$(or $(OUTPUT_DIR),model)/config.json

$W/.settings: FORCE | .venv/installed
	@mkdir -p $W
	@echo '$(DATA) $(foreach name,$(VARIABLES),$(name)=$($(name))) $(BACKEND) $(APPROACH) $(TOLERANCE)' >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$W/train.txt.tmp: $W/.settings
	$(DOWNLOAD)
	touch -c $@

$W/train.txt: $W/train.txt.tmp $(wildcard $W/dev.txt.tmp $W/test.txt.tmp)
	$(NERTOOL) preprocess -w $W
	touch -c $@

$W/labels.txt: $W/train.txt $(wildcard $W/dev.txt $W/test.txt)
	$(NERTOOL) labels -w $W
	touch -c $@

$(CONFIG): $W/train.txt $W/labels.txt $(wildcard $W/dev.txt)
	$(NERTOOL) train --overwrite-output-dir -w $W
	touch -c $@

$W/evaluation/test_results.json: $(CONFIG) $(wildcard $W/dev.txt $W/test.txt)
	$(NERTOOL) evaluate -w $W
	touch -c $@

# A model that loses too much is published all the same, with exit status 1; e2e fails for it at its end.
$W/quantized/quantization.json: $(CONFIG) $(wildcard $W/dev.txt)
	$(QUANTIZE) || test -f $@
	touch -c $@

$W/evaluation/quantized/test_results.json: $W/quantized/quantization.json $(wildcard $W/dev.txt $W/test.txt)
	$(NERTOOL) evaluate --quantized -w $W
	touch -c $@

$W/predictions/test.conll: $W/quantized/quantization.json $(wildcard $W/test.txt)
	test ! -f $W/test.txt || $(NERTOOL) predict --split test --quantized -w $W
	touch -c $@

e2e: $W/evaluation/test_results.json $W/evaluation/quantized/test_results.json $W/predictions/test.conll
	$(NERTOOL) status -w $W
	@$(QUANTIZE) --quiet >/dev/null || { echo 'e2e: the INT8 model loses more than TOLERANCE=$(TOLERANCE)'; exit 1; }

FORCE:
