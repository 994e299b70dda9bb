"""Log lines from where they lie on this machine: a file that is rotated, or standard input."""

from watcher.files.source import FileSource
from watcher.files.standard_input import StdinSource

__all__ = ["FileSource", "StdinSource"]
