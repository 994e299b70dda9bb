"""An unattended repair daemon for Kubecost: it reads the log, knows when a stage is done, and requests the next."""

__version__ = "0.1.0"
