# Modelward's commands. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash

help: ## List the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 16

demo: ## Build, and run the chain on a digit classifier, from data set to prediction, and then the attacks
	scripts/needs demo
	cargo build --release --locked --package modelward
	cd examples/digits && cargo build --release --locked -p digits-trainer && cargo build --release --locked -p digits-client
	target/release/modelward demo

test: ## Check format and lints, and run every test
	scripts/test

interop: ## Install the real peers and hold ours against theirs
	scripts/needs interop
	interop/run

bench: ## Measure speed and memory beside the peers, as ratios
	scripts/needs bench
	cargo build --release --locked --package modelward
	benches/run

fuzz: ## Fuzz every parser, each for SECONDS_EACH (60)
	scripts/fuzz

install: ## Install the program, its man pages and completions under PREFIX (/usr/local)
	scripts/install

wheel: ## Build the Python wheel into dist/
	scripts/needs wheel
	scripts/wheel

.PHONY: help demo test interop bench fuzz install wheel
