# Shorthand for people with make. Everything is done by dev.py, which needs Python alone.
PYTHON ?= python3
ARGS ?=

.PHONY: all simulate test check fix lock image
all: check test

simulate test check fix lock:
	$(PYTHON) dev.py $@ $(ARGS)

image:
	docker build --tag kubecost-repair-watcher:local .
