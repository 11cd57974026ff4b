# `make` alone lists the targets.
PYTHON ?= python3
BIN := .venv/bin
export KEDRO_DISABLE_TELEMETRY := 1
unexport PYTHONDONTWRITEBYTECODE # or each process that a test starts compiles every module again
# The tests' processes share the cores: libraries' threads that spin while they wait would take them.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=logical --maxprocesses=8 --dist=loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help install perf test test-long test-quick test-core test-lowest attack attack-quick check lint types contracts viz docs docs-serve docs-images dashboard package supply airflow airflow-env bench-main bench-ranking bench-measuring bench-server bench-serving bench-serving-search bench-request bench-check bench-early-stopping bench-scale-out bench-memory bench-large bench-peers bench-defaults bench-repeat clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

install: .venv/.installed ## create .venv and install the project and its tools

perf: .venv/.installed ## run the main job: prepare, search, measure, rank, report
	$(BIN)/kedro run --pipelines perf

test: .venv/.installed ## run the tests and doctests, all but test-long
	$(PYTEST) -m 'not long'

test-long: .venv/.installed ## run the tests that play whole stories: Airflow, guides, documented commands, damage
	$(PYTEST) -m long

attack: .venv/.installed ## attack it with bad parameters, files, results and surroundings: docs/explanation/evidence/reliability.md
	$(BIN)/python tests/attack/attack.py

attack-quick: .venv/.installed ## a sample of make attack, within a minute
	$(BIN)/python tests/attack/attack.py --quick

test-quick: .venv/.installed ## run the tests that need neither a whole project nor a minute
	$(PYTEST) -m 'not (long or slow or whole or browser or airflow)'

test-core: ## test the core in a fresh environment: make test-core PYTHONS="python3.11 python3.13"
	$(PYTHON) tests/environments.py core $(or $(PYTHONS),$(PYTHON))

test-lowest: ## test the lowest versions that pyproject.toml declares, in a fresh environment
	$(PYTHON) tests/environments.py lowest $(or $(PYTHONS),$(PYTHON))

lint: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.installed
	$(BIN)/mypy

contracts: .venv/.installed ## import directions and circles
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/structure

check: lint types contracts test test-long ## lint, types, import contracts and tests: what CI runs, too

viz: .venv/.installed ## open the pipelines in kedro-viz
	@echo "The stages as boxes: http://127.0.0.1:4141/?types=nodes"
	$(BIN)/kedro viz run --include-hooks --no-browser

docs: .venv/.installed ## build the documentation into site/, which opens from a folder
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --builder html docs site
	@echo "Documentation: site/index.html"

docs-serve: docs ## serve the documentation to this machine
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory site $(or $(PORT),8000)

docs-images: .venv/.installed ## make the documentation's pictures anew, from data/ and a fresh project
	$(BIN)/python docs/pictures.py

dashboard: .venv/.installed ## look at a cell's search in optuna-dashboard: make dashboard CELL=landsat.forest
	$(BIN)/rightfit dashboard --port $(or $(PORT),8080) $(CELL)


package: .venv/.installed ## build wheel, configuration archive and bill of materials into dist/
	rm -rf build dist
	$(BIN)/kedro package

supply: .venv/.installed ## list the dependencies' licences and known weaknesses
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[supply]'
	$(BIN)/python -m rightfit.deployment.supply

AIRFLOW_ENV ?= airflow
airflow: package ## build the package and the Airflow DAG of perf into dist/: docs/howto/airflow.md
	$(BIN)/python -m rightfit.deployment.generate_dag --pipeline perf --env $(AIRFLOW_ENV) \
		--settings conf/airflow/airflow.yml --out dist/airflow/dags

.venv-airflow/.installed: pyproject.toml deploy/constraints.txt
	test -x .venv-airflow/bin/python || $(PYTHON) -m venv .venv-airflow
	.venv-airflow/bin/python -m pip install --quiet --disable-pip-version-check --constraint deploy/constraints.txt \
		'.[kedro,sklearn,torch,s3]' 'apache-airflow[postgres]>=3.3,<4' 'moto[server]>=5'
	touch $@

airflow-env: .venv-airflow/.installed ## create .venv-airflow, where the tests find Airflow

bench-main: .venv/.installed ## time the main job against an earlier version: make bench-main BEFORE=COMMIT; wants a quiet machine
	$(BIN)/python benchmarks/main_job.py --before $(or $(BEFORE),HEAD^)

bench-ranking: .venv/.installed ## time the ranking of up to 10^6 profiles, check its intervals
	$(BIN)/python benchmarks/ranking/ranking.py

bench-measuring: .venv/.installed ## check what docs/explanation/evidence/measuring.md claims, in 15 minutes; wants a quiet machine
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python benchmarks/measuring/measuring.py

bench-server: .venv/.installed ## hold the p99 under load against MLPerf LoadGen
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python benchmarks/measuring/server_loadgen.py

bench-request: .venv/.installed ## time a request of raw columns: one graph against Python encoding and a session call
	$(BIN)/python benchmarks/measuring/request_path.py

bench-serving: .venv/.installed ## is what is measured over HTTP, sized and checked right (apt-get install nghttp2-client); ten quiet minutes
	PYTHONPATH=tests/support $(BIN)/python benchmarks/serving.py

bench-serving-search: .venv/.installed ## what compiling served graphs gives, on the winners of the last make perf; quiet
	$(BIN)/python benchmarks/serving_search.py $(OPTIONS)

bench-check: .venv/.installed ## does rightfit check notice a winner that got 30 % slower; wants a quiet machine
	PYTHONPATH=tests/support $(BIN)/python benchmarks/winner_check.py

bench-early-stopping: .venv/.installed ## what stopping rules save and lose, replayed on recorded trainings
	$(BIN)/python benchmarks/early_stopping.py

bench-memory: .venv/.installed ## what a search of 500 trials holds on to
	$(BIN)/python benchmarks/search_memory.py

bench-large: .venv/.installed ## prepare a table of 20 million rows: its peak memory
	$(BIN)/python benchmarks/large_table.py

.venv-peers/.installed: pyproject.toml
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check '.[sklearn]' 'onnxmltools>=1.14,<2' \
		'autogluon.tabular[catboost,fastai,lightgbm,xgboost]>=1.4,<2' 'flaml[automl]>=2.3,<3'
	touch $@

bench-peers: .venv/.installed $(if $(PEERS_ENV),,.venv-peers/.installed) ## hold it against FLAML and AutoGluon, for hours: docs/explanation/evidence/peers.md
	PYTHONPATH=benchmarks/portfolios $(BIN)/python benchmarks/peers/peers.py --root $(or $(PEERS_ROOT),data/peers) \
		--peers-env $(or $(PEERS_ENV),.venv-peers) $(OPTIONS)

bench-defaults: .venv/.installed ## is any family's search worse than its library's default?
	$(BIN)/python benchmarks/portfolios/family_defaults.py

bench-repeat: .venv/.installed ## does the main job decide the same twice? five runs, two of them on a busy machine
	$(BIN)/python benchmarks/repeat.py

bench-scale-out: .venv/.installed ## time 1 to 8 workers of a Dask cluster on one search, and Kedro at 9 to 100 cells
	$(BIN)/python benchmarks/scale_out.py

clean: ## remove results and build outputs; raw data, searches and .venv stay
	rm -rf build dist site .viz data/02_intermediate data/04_feature data/05_model_input data/07_model_output data/08_reporting
