"""The configuration: what is accepted, what it becomes, and how every fault is told."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from watcher.config import Config, find_config, json_schema, load_config, parse_window
from watcher.config_model import EVERY_KIND
from watcher.core.plan import Evidence, Plan, StageRules
from watcher.core.window import LONGEST_WINDOW, Window
from watcher.errors import ConfigError

SMALLEST = """\
window: 2023-01-01T00:00:00Z,2023-01-04T00:00:00Z
profile: kubecost-1.99
"""


def load(folder: Path, text: str, environ: dict[str, str] | None = None) -> Config:
    """The configuration that ``text`` is."""
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, environ or {})


def problems(folder: Path, text: str | bytes) -> list[str]:
    """What is wrong with ``text``, without the folder of the file."""
    path = folder / "config.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})
    return [problem.replace(str(folder) + os.sep, "") for problem in caught.value.problems]


class Pipeline:
    """A stage of a profile, as far as a plan looks at it."""

    def __init__(self, name: str, **rules: Any) -> None:
        self.rules = StageRules(name, prints_start=True, least=Evidence.WINDOW_DONE, **rules)


class TwoStages:
    """A profile of two stages."""

    name = "two"
    stages = (Pipeline("first", hourly=True), Pipeline("second", per_provider=True, quiet=timedelta(minutes=30)))


def plan_of(folder: Path, text: str) -> Plan:
    return load(folder, text).plan(TwoStages())


# ---- what is accepted -----------------------------------------------------------------------------------------------


def test_window_and_profile_are_enough(tmp_path: Path) -> None:
    config = load(tmp_path, SMALLEST)
    assert config.window == Window(datetime(2023, 1, 1, tzinfo=UTC), datetime(2023, 1, 4, tzinfo=UTC))
    assert config.url_of("asset") == "http://kubecost-cost-analyzer:9090/model"
    assert (config.logs.namespace, config.logs.deployment, config.logs.container) == (
        "kubecost",
        "kubecost-cost-analyzer",
        "cost-model",
    )
    assert config.state_path == Path("watcher.db")
    assert config.server.listen == "127.0.0.1:8080"
    assert config.source == tmp_path / "config.yaml"


@pytest.mark.parametrize("section", ["kubecost", "logs", "state", "server", "notify", "patience", "stage_options"])
def test_a_section_whose_keys_are_all_commented_out_is_its_default(tmp_path: Path, section: str) -> None:
    given = load(tmp_path, f"{SMALLEST}{section}:\n  # nothing\n")
    assert getattr(given, section) == getattr(load(tmp_path, SMALLEST), section)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("1s", timedelta(seconds=1)),
        ("90s", timedelta(seconds=90)),
        ("10m", timedelta(minutes=10)),
        ("2h", timedelta(hours=2)),
        ("1d", timedelta(days=1)),
    ],
)
def test_durations(tmp_path: Path, text: str, duration: timedelta) -> None:
    assert load(tmp_path, f"{SMALLEST}patience: {{start: {text}}}\n").patience.start == duration


@pytest.mark.parametrize("text", ["90", "0s", "-1s", "1.5h", "500ms", "1h30m", "2 h", "10M", "", "ten", "null", "true"])
def test_what_is_no_duration(tmp_path: Path, text: str) -> None:
    (problem,) = problems(tmp_path, f"{SMALLEST}patience:\n  start: {text}\n")
    assert problem.startswith("config.yaml:4: patience.start: ")
    assert "write" in problem


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://kubecost:9090/model", "http://kubecost:9090/model"),
        ("http://kubecost:9090/model/", "http://kubecost:9090/model"),
        ("http://kubecost:9003", "http://kubecost:9003"),
        ("https://[::1]:9003/", "https://[::1]:9003"),
    ],
)
def test_an_address_ends_without_a_slash(tmp_path: Path, url: str, base: str) -> None:
    assert load(tmp_path, f"{SMALLEST}kubecost: {{url: '{url}'}}\n").url_of("asset") == base


def test_a_stage_may_have_an_address_of_its_own(tmp_path: Path) -> None:
    config = load(tmp_path, SMALLEST + "stage_options: {cloudCost: {url: http://cloud-cost:9005/}}\n")
    assert config.url_of("cloudCost") == "http://cloud-cost:9005"
    assert config.url_of("asset") == config.kubecost.url


@pytest.mark.parametrize("listen", ["127.0.0.1:8080", "[::1]:8080", ":8080", "localhost:0", "null"])
def test_listen_addresses(tmp_path: Path, listen: str) -> None:
    config = load(tmp_path, f"{SMALLEST}server: {{listen: {listen!r}}}\n".replace("'null'", "null"))
    assert config.server.listen == (None if listen == "null" else listen)


def test_a_configuration_does_not_change(tmp_path: Path) -> None:
    config = load(tmp_path, SMALLEST)
    with pytest.raises(ValueError, match="frozen"):
        config.max_attempts = 9  # type: ignore[misc]


# ---- windows --------------------------------------------------------------------------------------------------------


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, LONGEST_WINDOW))
def test_a_window_of_whole_days_is_read_as_it_is_written(first: date, days: int) -> None:
    window = Window.of_days(first, first + timedelta(days=days - 1))
    assert parse_window(str(window)) == window


@given(st.text())
def test_no_text_breaks_the_reading_of_a_window(text: str) -> None:
    with pytest.raises(ValueError, match="write it like"):
        parse_window(text)


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ("2023-01-04T00:00:00Z,2023-01-01T00:00:00Z", "ends before it begins"),
        ("2023-01-01T00:00:00Z,2023-01-01T00:00:00Z", "holds no time"),
        ("2023-01-01T06:00:00Z,2023-01-04T00:00:00Z", "whole days"),
        ("2023-01-01T00:00:00Z,2023-01-03T23:59:59Z", "whole days"),
        ("2023-02-30T00:00:00Z,2023-03-04T00:00:00Z", "2023-02-30T00:00:00Z does not exist"),
        ("2023-13-01T00:00:00Z,2024-01-01T00:00:00Z", "does not exist"),
        ("0000-01-01T00:00:00Z,2023-01-01T00:00:00Z", "does not exist"),
        ("2023-01-01T24:00:00Z,2023-01-04T00:00:00Z", "does not exist"),
        ("0023-01-01T00:00:00Z,2023-01-04T00:00:00Z", "correct the years"),
        ("2023-01-01,2023-01-04", "write it like"),
        ("2023-01-01T00:00:00+00:00,2023-01-04T00:00:00+00:00", "write it like"),
        ("2023-01-01T00:00:00Z, 2023-01-04T00:00:00Z", "write it like"),
        ("7d", "write it like"),
        ("٢٠٢٣-01-01T00:00:00Z,2023-01-04T00:00:00Z", "write it like"),
    ],
)
def test_a_window_that_cannot_be_repaired(tmp_path: Path, window: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_window(window)
    (problem,) = problems(tmp_path, f"profile: kubecost-1.99\nwindow: {window}\n")
    assert problem.startswith("config.yaml:2: window: ")
    assert said in problem


# ---- faults ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("windw: 1\n", 3, "windw: is not a known key; did you mean window?"),
        ("kubecost:\n  Url: http://a\n", 4, "kubecost.Url: is not a known key; did you mean url?"),
        ("patience: {zzz: 10m}\n", 3, "patience.zzz: is not a known key; known are start, day, quiet, blind"),
        ("stage_options: {asset: {chunk-days: 3}}\n", 3, "stage_options.asset.chunk-days: is not a known key; did"),
        ("notify:\n  - url: json://a\n    event: [failed]\n", 5, "notify[0].event: is not a known key; did you mean"),
        ("on: 1\n", 3, "on: is not a known key"),
        ("version: 2\n", 3, "version: 2 is not known here; write 1"),
        ("chunk_days: '3'\n", 3, "chunk_days: '3' must be a whole number"),
        ("chunk_days: 0\n", 3, "chunk_days: 0 is too small; write 1 or more"),
        ("chunk_days: 2.5\n", 3, "chunk_days: 2.5"),
        ("stages: []\n", 3, "stages: is empty"),
        ("stages: asset\n", 3, "stages: 'asset' must be a list"),
        ("stages: [asset, asset]\n", 3, "stages[1]: 'asset' stands twice"),
        ("kubecost: http://a\n", 3, "kubecost: 'http://a' must be a section"),
        ("kubecost:\n  url: kubecost:9090\n", 4, "kubecost.url: is not an http:// or https:// address"),
        ("kubecost:\n  url: http://a:99999\n", 4, "kubecost.url: is not an http:// or https:// address"),
        ("kubecost:\n  url: http://a/model?window=1\n", 4, "kubecost.url: has a query"),
        ("kubecost: {ca_file: a, insecure_skip_tls_verify: true}\n", 3, "kubecost.ca_file: has no effect"),
        ("kubecost: {insecure_skip_tls_verify: 'yes'}\n", 3, "insecure_skip_tls_verify: 'yes' must be true or false"),
        ("logs:\n  source: file\n", 3, "logs.path: is missing"),
        ("logs:\n  path: a.log\n", 4, "logs.path: is not read, because logs.source is kubernetes"),
        ("logs: {source: docker}\n", 3, "logs.source: 'docker' is not known here; write kubernetes, file or stdin"),
        ("logs: {namespace: ../kube-system}\n", 3, "logs.namespace: '../kube-system' is no name"),
        ("server: {listen: 8080}\n", 3, "server.listen: 8080 is not HOST:PORT"),
        ("server: {listen: 'a:99999'}\n", 3, "server.listen: 'a:99999' names a port that does not exist"),
        ("notify:\n  - name: a\n", 4, "notify[0]: has no url_file (or url)"),
        ("notify:\n  - {url: 'json://a', url_file: b}\n", 4, "notify[0]: has both url and url_file"),
        ("notify:\n  - slack\n", 4, "notify[0]: 'slack' must be a section"),
        ("notify:\n  - {url: 'json://a', events: [done]}\n", 4, "notify[0].events[0]: 'done' is not known here; write"),
        ("notify: [{url: 'json://a', name: x}, {url: 'json://b', name: x}]\n", 3, "notify[1].name: 'x' is the name"),
        ("name: a\nname: b\n", 4, "name: stands twice, on line 3 and on line 4; remove one"),
    ],
)
def test_a_fault_is_told_with_its_line_its_key_and_what_to_do(tmp_path: Path, text: str, line: int, told: str) -> None:
    (problem,) = problems(tmp_path, SMALLEST + text)
    assert problem.startswith(f"config.yaml:{line}: ")
    assert told in problem


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    assert problems(tmp_path, "name: x\n") == [
        "config.yaml:1: window: is missing; add it",
        "config.yaml:1: profile: is missing; add it",
    ]


def test_every_fault_is_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Faults of form, of relation and against the profile, each once, though the first alone spoil the file."""
    told = problems(
        tmp_path,
        """\
window: 2023-01-04T00:00:00Z,2023-01-01T00:00:00Z
profile: kubecost-1.99
stages: [asset, cloudUsag]
stage_options:
  allocatoin: {chunk_days: 0}
logs:
  source: file
unknown: 1
""",
    )
    assert [problem.split(": ", 2)[:2] for problem in told] == [
        ["config.yaml:1", "window"],
        ["config.yaml:3", "stages[1]"],
        ["config.yaml:5", "stage_options.allocatoin.chunk_days"],
        ["config.yaml:5", "stage_options.allocatoin"],
        ["config.yaml:6", "logs.path"],
        ["config.yaml:8", "unknown"],
    ]
    assert "did you mean cloudUsage?" in told[1]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "config.yaml:1: the file is empty"),
        (b"# nothing but a comment\n", "config.yaml:1: the file is empty"),
        (b"\nword\n", "config.yaml:2: holds no keys"),
        (b"- a\n- b\n", "config.yaml:1: holds no keys"),
        (b"a: [1\nb: 2\n", "config.yaml:2: column 2: is not valid YAML"),
        (b"a: 1\n\tb: 2\n", "config.yaml:2: column 1: is not valid YAML"),
        (b"a: 1\n---\nb: 2\n", "config.yaml:2: column 1: is not valid YAML"),
        (b"name: !!python/object:os.system x\n", "config.yaml:1: column 7: is not valid YAML"),
        (b"name: 2023-02-30\n", "is not valid YAML"),
        (b"a: 1\nb: \xff\xfe\n", "config.yaml:2: is not UTF-8 text"),
        (b"a: \x00\n", "config.yaml:1: is not valid YAML"),
        (b"a: &a [*a]\n", "config.yaml:1: a: is not a known key"),
        (b"[" * 5000, "config.yaml:1: nested too deeply"),
        (b"# " + b"x" * (1 << 20), "config.yaml: is larger than 1 MiB"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path: Path, content: bytes, told: str) -> None:
    found = problems(tmp_path, content)
    assert any(problem.startswith(told) or told in problem for problem in found)
    assert all("\n" not in problem for problem in found)


@given(st.binary(max_size=200))
def test_no_file_does_worse_than_a_configuration_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        load_config(path, {})


def test_a_file_that_is_not_there_or_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_config(path, {})


def test_a_secret_is_never_repeated(tmp_path: Path) -> None:
    text = SMALLEST + "notify:\n  - {url: 'slack://SECRET', events: [x]}\nkubecost: {url: 'ftp://me:SECRET@host'}\n"
    assert "SECRET" not in " ".join(problems(tmp_path, text))
    assert "SECRET" not in repr(load(tmp_path, SMALLEST + "notify: [{url: 'slack://SECRET'}]\n"))


# ---- the plan -------------------------------------------------------------------------------------------------------


def test_the_plan_is_the_profile_and_the_choices_joined(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        SMALLEST
        + """\
name: nightly
stages: [second, first]
chunk_days: 2
max_attempts: 5
stage_options:
  second: {chunk_days: 7, providers: [aws, gcp], patience: {start: 1m}}
  first: {wait_hourly: true}
patience: {start: 2m, blind: 1h}
""",
    )
    assert (plan.name, plan.profile, plan.max_attempts, plan.blind) == ("nightly", "two", 5, timedelta(hours=1))
    second, first = plan.stages
    assert (second.name, second.chunk_days, second.providers) == ("second", 7, frozenset({"aws", "gcp"}))
    assert (first.name, first.chunk_days, first.wait_hourly) == ("first", 2, True)
    assert (second.patience.start, first.patience.start) == (timedelta(minutes=1), timedelta(minutes=2))
    assert not plan.replay


def test_without_choices_the_plan_is_the_profiles_own(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SMALLEST)
    assert [stage.name for stage in plan.stages] == ["first", "second"]
    assert [stage.chunk_days for stage in plan.stages] == [None, None]
    assert plan.name == "repair of 2023-01-01 to 2023-01-03"


@pytest.mark.parametrize(
    ("patience", "first", "second"),
    [
        ("", timedelta(minutes=5), timedelta(minutes=30)),
        ("patience: {quiet: 2m}\n", timedelta(minutes=2), timedelta(minutes=2)),
        ("stage_options: {second: {patience: {quiet: 1m}}}\n", timedelta(minutes=5), timedelta(minutes=1)),
        (
            "patience: {quiet: 2m}\nstage_options: {first: {patience: {quiet: 3m}}}\n",
            timedelta(minutes=3),
            timedelta(minutes=2),
        ),
    ],
)
def test_the_nearest_word_on_quiet_wins(tmp_path: Path, patience: str, first: timedelta, second: timedelta) -> None:
    """The stage's options, then the configuration, then the profile, then five minutes."""
    assert [stage.patience.quiet for stage in plan_of(tmp_path, SMALLEST + patience).stages] == [first, second]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "stages: [first, secnd]\n",
            "config.yaml:3: stages[1]: 'secnd' is no stage of profile two; did you mean second?",
        ),
        ("stage_options:\n  zzz: {}\n", "config.yaml:4: stage_options.zzz: is no stage of profile two; known are"),
        ("stage_options: {second: {wait_hourly: true}}\n", "stage_options.second.wait_hourly: second has no hourly"),
        (
            "stage_options: {first: {providers: [a]}}\n",
            "stage_options.first.providers: first does not work by provider",
        ),
    ],
)
def test_what_the_profile_does_not_have_is_refused(tmp_path: Path, text: str, told: str) -> None:
    config = load(tmp_path, SMALLEST + text)
    with pytest.raises(ConfigError) as caught:
        config.plan(TwoStages())
    (problem,) = caught.value.problems
    assert told in problem


def test_the_shortest_patience_is_found_wherever_it_stands(tmp_path: Path) -> None:
    assert load(tmp_path, SMALLEST).shortest_patience() == timedelta(minutes=10)
    short = load(tmp_path, SMALLEST + "stage_options: {first: {patience: {quiet: 3s}}}\n")
    assert short.shortest_patience() == timedelta(seconds=3)


# ---- profiles -------------------------------------------------------------------------------------------------------


def test_a_profile_is_found_by_name_and_by_path_from_the_configurations_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path("/"))
    assert load(tmp_path, SMALLEST).load_profile().name == "kubecost-1.99"
    own = tmp_path / "mine" / "own.yaml"
    own.parent.mkdir()
    own.write_text("version: 1\nname: own\ndescription: nothing\n", encoding="utf-8")
    for written in ("mine/own.yaml", "./mine/own.yaml", str(own)):
        config = load(tmp_path, SMALLEST.replace("kubecost-1.99", written))
        with pytest.raises(ConfigError, match=r"own\.yaml"):  # found, and proven: it has no stages
            config.load_profile()


@pytest.mark.parametrize("name", ["kubecost-1.98", "missing.yaml", "patterns/missing"])
def test_an_unknown_profile_is_told_with_its_line(tmp_path: Path, name: str) -> None:
    config = load(tmp_path, SMALLEST.replace("kubecost-1.99", name))
    with pytest.raises(ConfigError) as caught:
        config.load_profile()
    (problem,) = caught.value.problems
    assert problem.startswith(f"{tmp_path / 'config.yaml'}:2: profile: {name!r} is neither shipped nor a file; ")


# ---- secrets and the environment ------------------------------------------------------------------------------------


def test_destinations_are_read_from_their_files_and_named_without_secrets(tmp_path: Path) -> None:
    (tmp_path / "slack").write_text(" slack://token/a \n", encoding="utf-8")
    text = f"""\
notify:
  - url_file: {tmp_path}/slack
    events: [failed]
  - url: mailto://me:secret@host
  - url: mailto://you:secret@host
  - {{url: 'json://x', name: mailto}}
"""
    config = load(tmp_path, SMALLEST + text)
    assert config.destinations() == {
        "slack": "slack://token/a",
        "mailto-2": "mailto://me:secret@host",
        "mailto-3": "mailto://you:secret@host",
        "mailto": "json://x",
    }
    wanted = {to.name: to.events for to in config.plan(TwoStages()).destinations}
    assert list(wanted) == list(config.destinations())
    assert wanted["slack"] == {"failed"}
    assert wanted["mailto"] == set(EVERY_KIND)


def test_secret_files_of_no_use_are_all_told_and_not_looked_at_before(tmp_path: Path) -> None:
    (tmp_path / "two").write_text("a\nb\n", encoding="utf-8")
    (tmp_path / "binary").write_bytes(b"\xff\xff")
    text = "".join(f"  - url_file: {tmp_path}/{name}\n" for name in ("missing", "two", "binary"))
    config = load(tmp_path, f"{SMALLEST}notify:\n{text}server: {{token_file: {tmp_path}/missing}}\n")
    with pytest.raises(ConfigError) as caught:
        config.destinations()
    missing, two, binary = caught.value.problems
    assert (
        missing
        == f"{tmp_path}/missing: notify[0].url_file: cannot be read (No such file or directory); mount it or correct it"
    )
    assert two.startswith(f"{tmp_path}/two: notify[1].url_file: holds 2 lines")
    assert binary.startswith(f"{tmp_path}/binary: notify[2].url_file: is not UTF-8")
    with pytest.raises(ConfigError, match=r"server\.token_file: cannot be read"):
        config.server_token()


def test_headers_come_from_a_file(tmp_path: Path) -> None:
    assert load(tmp_path, SMALLEST).kubecost_headers() == {}
    file = tmp_path / "headers"
    config = load(tmp_path, f"{SMALLEST}kubecost: {{headers_file: {file}}}\n")
    file.write_text("# for the proxy\nAuthorization: Bearer a:b\n\nX-Team : cost \n", encoding="utf-8")
    assert config.kubecost_headers() == {"Authorization": "Bearer a:b", "X-Team": "cost"}
    file.write_text("Authorization: a\nBearer b\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"headers:2: kubecost.headers_file: is no header; write NAME: VALUE"):
        config.kubecost_headers()


def test_variables_name_secret_files_and_win(tmp_path: Path) -> None:
    for name in ("token", "headers", "hook"):
        (tmp_path / name).write_text(f"{name}: x\n", encoding="utf-8")
    environ = {
        "WATCHER_SERVER_TOKEN_FILE": f"{tmp_path}/token",
        "WATCHER_KUBECOST_HEADERS_FILE": f"{tmp_path}/headers",
        "WATCHER_NOTIFY_URL_FILE": f"{tmp_path}/hook",
    }
    text = SMALLEST + "server: {token_file: /elsewhere}\nkubecost:\nnotify:\n  - url: json://a\n"
    config = load(tmp_path, text, environ)
    assert config.server_token() == "token: x"
    assert config.kubecost_headers() == {"headers": "x"}
    assert config.destinations() == {"json": "json://a", "hook": "hook: x"}


def test_nothing_is_expanded(tmp_path: Path) -> None:
    config = load(tmp_path, SMALLEST + "name: ${HOME} $HOME\n", {"HOME": "/home/me"})
    assert config.name == "${HOME} $HOME"


def test_the_configuration_is_looked_for_in_four_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="give one with --config FILE"):
        find_config(None, {})
    (tmp_path / "config.yaml").write_text(SMALLEST, encoding="utf-8")
    assert find_config(None, {}) == Path("config.yaml")
    assert find_config(None, {"WATCHER_CONFIG": "b.yaml"}) == Path("b.yaml")
    assert find_config("c.yaml", {"WATCHER_CONFIG": "b.yaml"}) == Path("c.yaml")


# ---- the schema -----------------------------------------------------------------------------------------------------


def test_the_schema_for_editors_has_every_key_and_writes_defaults_as_people_do() -> None:
    schema = json_schema()
    assert set(schema["properties"]) == set(Config.model_fields)
    assert schema["required"] == ["window", "profile"]
    assert schema["additionalProperties"] is False
    patience = schema["$defs"]["RunPatience"]["properties"]
    assert {key: value["default"] for key, value in patience.items()} == {
        "start": "10m",
        "day": "2h",
        "quiet": None,
        "blind": "15m",
    }
    assert yaml.safe_load(yaml.safe_dump(schema)) == schema
