# Every target does the set-up it needs: a virtual environment in .venv with the packages of requirements.lock.
# ARGS goes to the tool behind a target:  make train ARGS="-p backbone mbf -p max_steps 100"
#                                         make test ARGS="-k contract -x"   (pytest's own options)

PYTHON ?= python3
TORCH ?= torch==2.14.1 torchvision==0.29.1
ARGS ?=
BIN := .venv/bin

# The environment's own kernel, packages and settings; nothing of the caller's Python.
export JUPYTER_PREFER_ENV_PATH := 1
unexport JUPYTER_PATH PYTHONPATH PYTHONHOME

# The caller's mirror is kept, find-links are not: pip would prefer a CPU-only torch of the same version lying there.
PIP := PIP_USER=0 PIP_FIND_LINKS=.venv/no-links PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip

.PHONY: help install train test fuzz lab docs style reproduce reproduce-smoke verify-results store export readme lock clean
.DELETE_ON_ERROR:

help:
	@echo 'make train            train with nbs/train.ipynb; ARGS="-p backbone mbf" sets parameters'
	@echo 'make test             every check; ARGS="-k contract -x" runs only these, up to the first failure'
	@echo 'make lab              JupyterLab, opened on nbs/index.ipynb'
	@echo 'make docs             the documentation site, from the stored notebooks, into _docs/html'
	@echo 'make export           notebooks -> topofr_nb/, modules of notebooks that are gone are removed'
	@echo 'make readme           nbs/index.ipynb -> README.md, nbs/contents.ipynb anew from all titles'
	@echo 'make style            how the notebooks are written: cells, lines, lessons'
	@echo 'make fuzz             100,000 damaged records and verification sets; ARGS="--inputs 1000000 --seed 1"'
	@echo 'make reproduce        every notebook of nbs/80_reproduce and a page of what they found; SCALE=smoke, quick or laptop'
	@echo 'make reproduce-smoke  at smoke scale and as they are stored, as tests, two at a time'
	@echo 'make verify-results   draw rows of the ledger, train them again, compare; N=10 draws ten'
	@echo 'make store            run and store the reproduction notebooks that are older than the ledger, or ARGS="notebook"'
	@echo 'make lock             resolve requirements.lock anew (needs the package index)'
	@echo 'make install          only the set-up that the others do by themselves'
	@echo 'make clean            remove what tools left behind; .venv and runs/ stay'

install: .venv/.installed

# An install that was cut short leaves .venv/.installing and is begun afresh.
.venv/.locked: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "Python 3.10 or later is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.11"; exit 1; }
	@if [ -e .venv/.installing ]; then echo 'The last install was cut short: starting afresh'; rm -rf .venv; fi
	@mkdir -p .venv/no-links && touch .venv/.installing
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	@echo 'Installing the packages of requirements.lock into .venv (about 6 GB, most of it torch)'
	@$(PIP) install -q --require-hashes -r requirements.lock || \
	  { echo 'The packages of requirements.lock could not be installed: pip says why above.'; \
	    echo 'If hashes do not match, an extra index in "pip config list" offers other builds: unset it and call make again.'; exit 1; }
	@rm .venv/.installing
	@touch $@

.venv/.installed: .venv/.locked setup.py settings.ini pyproject.toml csrc/prim.c csrc/jpeg.c csrc/products.c csrc/__init__.py
	@$(PIP) install -q --no-deps --no-build-isolation -e .
	@$(BIN)/python -c 'import torch, torchvision, topofr_nb' || \
	  { echo 'torch, torchvision or topofr_nb cannot be imported: see above. To install afresh: rm -rf .venv and call make again.'; exit 1; }
	@touch $@

train: .venv/.installed
	@mkdir -p runs && rm -f runs/latest.json
	@$(BIN)/papermill nbs/train.ipynb runs/train.partial.ipynb -k python3 $(ARGS) || \
	  { echo 'Training stopped with an error; the notebook up to there: runs/train.partial.ipynb'; exit 1; }
	@mv runs/train.partial.ipynb runs/train.ipynb
	@$(BIN)/python tools/where.py runs

test: .venv/.installed
	@$(BIN)/pytest -n 2 $(ARGS)

fuzz: .venv/.installed
	@$(BIN)/python tests/fuzz.py --inputs 100000 $(ARGS)

SCALE ?= smoke
reproduce: .venv/.installed
	@$(BIN)/python -m topofr_nb.report.reproduce --scale $(SCALE) $(ARGS)

reproduce-smoke: .venv/.installed
	@$(BIN)/pytest -n 2 -m reproduce $(ARGS)

N ?= 3
verify-results: .venv/.installed
	@$(BIN)/python -m topofr_nb.report.verify --rows $(N) $(ARGS)

store: .venv/.installed
	@$(BIN)/python tools/store.py $(ARGS)

style: .venv/.installed
	@$(BIN)/python tests/style.py $(ARGS)

lab: .venv/.installed
	$(BIN)/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/nbs/index.ipynb --config=tools/jupyter_server_config.py \
	  $(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS)

docs: .venv/.installed
	@$(BIN)/python tools/website/build.py $(ARGS)

export: .venv/.installed
	@$(BIN)/python tools/export.py

readme: .venv/.installed
	@$(BIN)/python tools/contents.py
	@$(BIN)/python tools/readme.py

lock:
	@rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/python -m pip install -q uv
	@cp requirements.lock requirements.lock.partial 2>/dev/null || true
	@printf '%s\n' $(TORCH) > .venv-lock/constraints.txt
	.venv-lock/bin/uv pip compile -q --universal --python-version 3.10 --generate-hashes --no-header --no-annotate \
	  --constraint .venv-lock/constraints.txt --extra dev setup.py --output-file requirements.lock.partial $(ARGS)
	@mv requirements.lock.partial requirements.lock && rm -rf .venv-lock

clean:
	@rm -rf build dist *.egg-info .ruff_cache .hypothesis .venv-lock _docs _proc *.partial runs/*.partial.ipynb
	@find . -path ./.venv -prune -o -path ./runs -prune -o \
	  \( -name __pycache__ -o -name .ipynb_checkpoints -o -name .pytest_cache \) -type d -prune -exec rm -rf {} +
