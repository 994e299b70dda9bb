"""What other people's packages can do without is not loaded, and they do."""

from __future__ import annotations

import subprocess
import sys

PARTS = (
    "import watcher.service, watcher.web, watcher.cluster; from watcher.notify import Notifier; "
    "assert not Notifier({'slack': 'slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ'}).problems(); import sys; "
)


def run(code: str) -> set[str]:
    """What a fresh Python prints; every warning is an error there."""
    command = [sys.executable, "-W", "error", "-c", code]
    return set(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split())


def test_what_the_daemon_can_do_without_is_not_loaded() -> None:
    """Three MB of character sets, one of C++; nobody complains of the lack."""
    loaded = run(PARTS + "print(*(name for name, module in sys.modules.items() if module))")
    assert {"apprise.plugins.slack", "requests", "aiohttp", "frozenlist"} <= loaded
    assert not loaded & {"charset_normalizer", "chardet", "frozenlist._frozenlist"}


def test_an_answer_that_names_no_character_set_is_read_as_utf_8() -> None:
    """Whatever its bytes are: a plugin that wants its text gets one."""
    made = "answer = requests.Response(); answer._content = 'ä'.encode() + bytes([255]); "
    assert run(PARTS + "import requests; " + made + "print(ascii(answer.text))") == {r"'\xe4\ufffd'"}


def test_what_was_kept_away_can_be_loaded_afterwards() -> None:
    """Somebody else may want it."""
    assert run(PARTS + "import charset_normalizer, frozenlist._frozenlist; print('both')") == {"both"}


def test_a_part_that_is_loaded_already_stays() -> None:
    """It is not taken away from whoever loaded it."""
    code = "import charset_normalizer as here; " + PARTS + "print(sys.modules['charset_normalizer'] is here)"
    assert run(code) == {"True"}
