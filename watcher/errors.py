"""The errors this program raises for people to read.

Each message is one line that says where, what is wrong and what to do.
The command line prints it and leaves with the ``exit_code`` of its class; nothing else prints it.
"""


class WatcherError(Exception):
    """Base of every error whose text is meant for the operator. Exit code 1 unless a subclass says otherwise."""

    exit_code: int = 1


class ConfigError(WatcherError):
    """The operator's input (configuration, profile, pattern file, secret file) cannot be used.

    ``problems`` holds every problem found, one line each, in the order of the input;
    ``str(error)`` is the same lines joined by newlines. Exit code 78 (EX_CONFIG of sysexits.h).
    """

    exit_code = 78

    def __init__(self, *problems: str) -> None:
        if not problems:
            message = "ConfigError needs at least one problem"
            raise ValueError(message)
        super().__init__("\n".join(problems))
        self.problems: tuple[str, ...] = problems


class StateError(WatcherError):
    """The state file cannot be used (unreadable, damaged, or of another run). One message, one line."""

    exit_code: int = 78
