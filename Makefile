# The two commands are `make demo` and `make test`; each sets up what is missing first.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: demo fleet test build lint bench soak setup images clean

setup:
	@deploy/setup

build:
	cargo build --workspace --locked

# A real session of four contestants in real containers, ending in a scoreboard and a report.
demo: setup
	@deploy/demo

# The same on a team's fleet: two coordinators and three workers, joined by TLS, on this machine.
fleet: setup
	@deploy/fleet

# Every check and every test.
test: setup
	@deploy/test

lint:
	@deploy/lint

# Figures, never part of the tests.
bench: setup
	@deploy/bench

soak: setup
	@deploy/soak

# The images of coordinator and worker, for Compose and Kubernetes.
images: setup
	@deploy/images

clean:
	cargo clean
