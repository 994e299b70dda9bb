# Shorthand for people with make. Everything is done by dev.py, which needs Python alone.
PYTHON ?= python3
ARGS ?=

SEEDS ?= 1000

.PHONY: all simulate soak test check fix lock image
all: check test

simulate test check fix lock:
	$(PYTHON) dev.py $@ $(ARGS)

soak:
	$(PYTHON) dev.py soak $(SEEDS) $(ARGS)

image:
	docker build --tag kubecost-repair-watcher:local .
