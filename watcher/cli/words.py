"""What the program says of itself: its commands, its global options, their help. Text only, nothing is loaded."""

from __future__ import annotations

NAME = "watcher"

# One line a command; the module that holds it is loaded only when it is called, so that ``version`` stays quick.
COMMANDS = {
    "run": ("watcher.cli.run", "Follow the log, track every day, request the next repair, tell people."),
    "plan": ("watcher.cli.offline", "Show every request that would be sent, in order; send nothing."),
    "replay": ("watcher.cli.offline", "Read recorded logs the way the daemon would; send nothing."),
    "simulate": ("watcher.cli.simulate", "Run against an embedded Kubecost: the quick start without a cluster."),
    "check": ("watcher.cli.offline", "Check the configuration and every pattern file with its samples."),
    "patterns": ("watcher.cli.patterns", "Work on pattern files."),
    "status": ("watcher.cli.status", "Show the status of a running daemon or of the state file."),
    "pause": ("watcher.cli.steer", "Send nothing more, until 'resume'."),
    "resume": ("watcher.cli.steer", "End a pause."),
    "retry": ("watcher.cli.steer", "Request days again that did not end well."),
    "skip": ("watcher.cli.steer", "Leave days out."),
    "approve": ("watcher.cli.steer", "End a hold in spite of its reason."),
    "abort": ("watcher.cli.steer", "End the run for good."),
    "notify": ("watcher.cli.notify", "Work on notifications."),
    "version": ("watcher.cli.offline", "Show the version, Python, and the profiles shipped."),
}

# How the global options are written, and what is said of them.
OPTIONS = {
    "--log-level [debug|info|warning|error]": "Default: info.",
    "--log-format [text|json]": "Default: text.",
    "-f, --config PATH": "Default: $WATCHER_CONFIG, ./config.yaml, /etc/watcher/config.yaml.",
    "-o, --output [table|json]": "Default: table.",
    "-h, --help": "Show this message and exit.",
}

_HEAD = f"""\
Usage: {NAME} [OPTIONS] COMMAND [ARGS]...

  An unattended repair daemon for Kubecost: it reads the log, knows when a stage is done, requests the next.

Commands:
"""
_TAIL = f"""
Options, before or after the command:
{{options}}

Exit codes:
  0 done, 1 the run failed, 2 usage, 3 finished but some days are skipped, empty, unclear or still open,
  4 refused before anything was sent, 5 aborted by a person, 75 temporary, try again,
  78 bad or missing configuration, pattern file or state file, 130/143 ended by SIGINT/SIGTERM

'{NAME} COMMAND --help' says more of a command.
"""


def help_text() -> str:
    """The answer to ``watcher --help``."""
    commands = _columns({name: summary for name, (_, summary) in COMMANDS.items()})
    return f"{_HEAD}{commands}\n{_TAIL.format(options=_columns(OPTIONS))}"


def _columns(rows: dict[str, str]) -> str:
    width = max(map(len, rows))
    return "\n".join(f"  {left:<{width}}  {right}" for left, right in rows.items())
