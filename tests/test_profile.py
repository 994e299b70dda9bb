"""Pattern files: the shipped ones hold what they promise; a wrong one is not loaded, and says why in one line."""

import copy
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import regex
import yaml

from watcher.core.events import Meaning
from watcher.core.plan import Evidence, StageRules
from watcher.errors import ConfigError
from watcher.profile import json_schema, load_profile, shipped_profiles
from watcher.profile_files import shipped_folder

GOOD: dict[str, Any] = {
    "version": 1,
    "name": "mine",
    "description": "A pipeline that bakes.",
    "applies_to": ">=1",
    "definitions": {
        "TIME": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
        "WINDOW": r"\[%{TIME:start}, %{TIME:end}\)",
    },
    "advice": {"oven": "Look into the oven."},
    "anchors": ["Bakery"],
    "stages": [
        {
            "name": "bread",
            "means": "Bread of every day.",
            "filter": "Bread",
            "request": {"path": "/bread/repair", "answers": ["Baking"]},
            "rules": {"prints_start": False, "least": "window_done", "quiet": "90s"},
        }
    ],
    "patterns": [
        {
            "id": "baked",
            "means": "window_done",
            "says": "A day's bread is baked.",
            "stage": "bread",
            "regex": r"^Bakery: baked %{WINDOW} of (?P<rows_out>\d+) loaves$",
            "samples": [
                {
                    "line": "INF Bakery: baked [2023-01-01T00:00:00Z, 2023-01-02T00:00:00Z) of 12 loaves",
                    "fields": {"window": "2023-01-01T00:00:00Z,2023-01-02T00:00:00Z", "rows_out": 12},
                }
            ],
            "counter_samples": ["INF Bakery: baked [2023-01-01T00:00:00Z, 2023-01-02T00:00:00Z) of 12 loaves short"],
        },
        {
            "id": "burnt",
            "means": "trouble",
            "says": "Something burns.",
            "advice": "oven",
            "level": ["error"],
            "regex": "^Bakery: smoke",
            "samples": [{"line": "ERR Bakery: smoke"}],
            "counter_samples": ["INF Bakery: smoke"],
        },
    ],
}


def write(folder: Path, content: object, name: str = "mine.yaml") -> str:
    path = folder / name
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return str(path)


def problems(name_or_path: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load_profile(name_or_path)
    assert all("\n" not in problem for problem in caught.value.problems)
    return caught.value.problems


# ---- shipped --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("kubecost-1.99", ["asset", "cloudUsage", "reconciliation", "allocation"]),
        ("kubecost-1.100", ["asset", "allocation", "cloudUsage", "reconciliation"]),
        ("kubecost-1.106", ["asset", "allocation", "cloudCost", "reconciliation"]),
        ("kubecost-2", ["asset", "allocation", "cloudCost"]),
    ],
)
def test_the_documented_procedures_are_shipped(name: str, stages: list[str]) -> None:
    profile = load_profile(name)
    assert (profile.name, [stage.name for stage in profile.stages]) == (name, stages)
    assert name in shipped_profiles()
    assert profile.file == f"patterns/{name}.yaml"
    assert profile.applies_to


def test_each_stage_is_asked_for_and_judged_as_the_procedure_says() -> None:
    stages = {stage.name: stage for name in shipped_profiles() for stage in load_profile(name).stages}
    assert {name: stage.path for name, stage in stages.items()} == {
        "asset": "/etl/asset/repair",
        "allocation": "/etl/allocation/repair",
        "cloudUsage": "/etl/cloudUsage/repair",
        "cloudCost": "/cloudCost/repair",
        "reconciliation": "/etl/asset/reconciliation/repair",
    }
    assert {name: stage.rules for name, stage in stages.items()} == {
        "asset": StageRules("asset", prints_start=True, least=Evidence.WINDOW_DONE, hourly=True),
        "allocation": StageRules("allocation", prints_start=True, least=Evidence.NEXT_STARTED, hourly=True),
        "cloudUsage": StageRules(
            "cloudUsage",
            prints_start=False,
            least=Evidence.QUIET,
            per_provider=True,
            widens=True,
            quiet=timedelta(minutes=30),
        ),
        "cloudCost": StageRules("cloudCost", prints_start=False, least=Evidence.QUIET, per_provider=True, widens=True),
        "reconciliation": StageRules(
            "reconciliation", prints_start=False, least=Evidence.REPAIR_ENDED, per_provider=True, widens=True
        ),
    }


@pytest.mark.parametrize(
    ("stage", "answer"),
    [
        ("asset", "Repairing Asset ETL"),
        ("allocation", "Repairing Allocation ETL"),
        ("cloudUsage", "Cloud Usage Repair process has begun for [a, b) for all providers"),
        ("reconciliation", "Reconciliation Repair process has begun for [a, b) for all providers"),
        ("cloudCost", "Rebuilding Cloud Usage For All Providers"),
        ("cloudCost", "Rebuilding Cloud Usage For Provider 100000000001/s3://bucket"),
    ],
)
def test_the_documented_answers_are_known(stage: str, answer: str) -> None:
    for profile in map(load_profile, shipped_profiles()):
        for each in profile.stages:
            assert any(known.search(answer) for known in each.answers) == (each.name == stage)


@pytest.mark.parametrize("name", shipped_profiles())
def test_failures_come_with_the_advice_of_the_procedure(name: str) -> None:
    failures = {Meaning.COVERAGE_REFUSED, Meaning.WINDOW_FAILED, Meaning.TROUBLE}
    for pattern in load_profile(name).patterns:
        if pattern.means in failures - {Meaning.TROUBLE}:
            assert pattern.advice
    refused = next(each for each in load_profile(name).patterns if each.id == "store-refused")
    assert refused.advice is not None
    for word in ("metrics", "Prometheus", "15 days", "Thanos", "--min-time"):
        assert word in refused.advice


def test_a_line_of_a_pipeline_that_is_no_stage_is_known_and_says_nothing() -> None:
    pattern = next(each for each in load_profile("kubecost-2").patterns if each.id == "cloudusage-querying")
    assert (pattern.means, pattern.stage) == (Meaning.ACTIVITY, "cloudUsage")
    assert "cloudUsage" not in pattern.listed


# ---- a file of one's own --------------------------------------------------------------------------------------------


def test_a_file_of_ones_own_is_loaded_by_its_path(tmp_path: Path) -> None:
    profile = load_profile(write(tmp_path, GOOD))
    assert profile.name == "mine"
    assert profile.stages[0].rules.quiet == timedelta(seconds=90)
    assert [pattern.advice for pattern in profile.patterns] == [None, "Look into the oven."]


def test_a_file_of_ones_own_may_include_shipped_ones(tmp_path: Path) -> None:
    own = {
        "version": 1,
        "name": "ours",
        "description": "Kubecost 2 with a line of our own.",
        "include": ["kubecost-2.yaml"],
        "patterns": [
            {"id": "ours", "means": "noted", "says": "Ours.", "regex": "^ours:", "samples": [{"line": "ours: yes"}]}
        ],
    }
    profile = load_profile(write(tmp_path, own))
    assert [stage.name for stage in profile.stages] == ["asset", "allocation", "cloudCost"]
    assert profile.patterns[-1].id == "ours"


def test_the_schema_names_every_key() -> None:
    schema = json_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert set(GOOD) <= set(schema["properties"])
    assert schema["additionalProperties"] is False


# ---- what is wrong is said ------------------------------------------------------------------------------------------

Change = Callable[[dict[str, Any]], object]


def pattern(**keys: object) -> Change:
    return lambda content: content["patterns"][0].update(keys)


def sample(line: str, **fields: object) -> Change:
    return pattern(samples=[{"line": line, "fields": fields}])


LINE = "INF Bakery: baked [2023-01-01T00:00:00Z, 2023-01-02T00:00:00Z) of 12 loaves"
WINDOW = "2023-01-01T00:00:00Z,2023-01-02T00:00:00Z"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (pattern(samples=[]), "pattern baked: has no samples; add a line that it must match"),
        (
            sample("INF Bakery: baked [2023-01-01T00:00:00Z, 2023-01-02T00:00:00Z) of twelve loaves"),
            (
                "pattern baked, sample 1: is not matched; matched up to here: "
                "'…-01T00:00:00Z, 2023-01-02T00:00:00Z) of ', stopped before 'twelve loaves'"
            ),
        ),
        (
            sample("INF Bakery: baked [2023-01-01T00:00:00Z, 2023-01"),
            (
                "pattern baked, sample 1: is not matched; matched up to here: "
                "'…ry: baked [2023-01-01T00:00:00Z, 2023-01', stopped at the end of the line"
            ),
        ),
        (sample("else"), "pattern baked, sample 1: is not matched; matched nothing of 'else'"),
        (
            sample("INF Bakery: baked [2023-02-30T00:00:00Z, 2023-03-01T00:00:00Z) of 12 loaves"),
            (
                "pattern baked, sample 1: is matched, but "
                "'2023-02-30T00:00:00Z' is not a time: day is out of range for month"
            ),
        ),
        (
            sample(LINE, window=WINDOW),
            "pattern baked, sample 1: field rows_out: captured 12, which the sample does not expect",
        ),
        (
            sample(LINE, window=WINDOW, rows_out=13),
            "pattern baked, sample 1: field rows_out: expected 13, captured 12",
        ),
        (
            sample(LINE, window=WINDOW, rows_out=12, id="x"),
            "pattern baked, sample 1: field id: expected 'x', but nothing was captured",
        ),
        (
            lambda content: content["patterns"][1].update(regex="^Bakery", level=[]),
            "pattern baked, sample 1: is matched by pattern burnt ({file}) too; a line must have one meaning",
        ),
        (
            pattern(counter_samples=[LINE]),
            "pattern baked, counter-sample 1: is matched, and must not be; make the regex stricter",
        ),
        (
            lambda content: content["patterns"][1].update(samples=[{"line": "WRN Bakery: smoke"}]),
            "pattern burnt, sample 1: is not matched: its level is warning, the pattern wants error",
        ),
        (
            pattern(regex=r"^Bakery: (unclosed %{WINDOW}"),
            (
                "pattern baked: regex: does not compile: missing ) at position 28, at its end; "
                "mend it (a literal bracket is written with \\)"
            ),
        ),
        (
            pattern(regex="^Bakery: %{WINDOWS}"),
            "pattern baked: regex: %{{WINDOWS}} is not defined; did you mean WINDOW?",
        ),
        (pattern(regexx="a"), "pattern baked, regexx: unknown key 'regexx'; did you mean regex?"),
        (lambda content: content.update(pattern=[]), "pattern: unknown key 'pattern'; did you mean patterns?"),
        (pattern(means="windowdone"), "pattern baked: means 'windowdone' is not known; did you mean window_done?"),
        (pattern(stage="braed"), "pattern baked: stage 'braed' is not known; did you mean bread?"),
        (pattern(advice="ofen"), "pattern baked: advice 'ofen' is not known; did you mean oven?"),
        (
            pattern(level=["loud"]),
            (
                "pattern baked, level 1: 'loud' is not known; "
                "write 'trace', 'debug', 'info', 'warning', 'error' or 'fatal'"
            ),
        ),
        (
            pattern(regex=r"^Bakery: baked %{WINDOW} of (?P<rows>\d+) loaves$"),
            "pattern baked: regex: no field knows the group 'rows'; did you mean rows_in?",
        ),
        (
            pattern(regex=r"^Bakery: baked (?P<start>\S+)"),
            "pattern baked: regex: lacks the group 'end'; start and end belong together",
        ),
        (
            pattern(regex=r"^Bakery: baked"),
            "pattern baked: regex: lacks the groups 'start' and 'end'; window_done is always about a window",
        ),
        (pattern(stage=None), "pattern baked: stage: is missing; window_done is always about a stage"),
        (
            pattern(stage={"group": "kind", "stages": {"Bread": "bread"}}),
            "pattern baked: stage: the regex has no group 'kind'; known are end, rows_out, start",
        ),
        (
            lambda content: content["patterns"].append(content["patterns"][1]),
            "pattern burnt: there is another pattern of this id in {file}; rename one of them",
        ),
        (lambda content: content["patterns"][0].pop("says"), "pattern baked, says: is missing; add it"),
        (
            lambda content: content["definitions"].update(TIME="%{TIME}"),
            "definition TIME: %{{TIME}} is defined by itself",
        ),
        (
            lambda content: content.pop("name"),
            "name: is missing; a profile needs one, a file without is a fragment to be included",
        ),
        (lambda content: content.update(stages=[]), "stages: is empty; name the stages in the order of the repair"),
        (
            lambda content: content["stages"].append("braed"),
            "stages: no file defines stage 'braed'; did you mean bread?",
        ),
        (lambda content: content["stages"].append("bread"), "stages: 'bread' stands there twice; a stage runs once"),
        (
            lambda content: content["stages"][0]["rules"].update(least="hope"),
            (
                "stage bread, rules, least: 'hope' is not known; "
                "write 'quiet', 'next_started', 'window_done' or 'repair_ended'"
            ),
        ),
        (
            lambda content: content["stages"][0]["rules"].update(quiet=90),
            "stage bread, rules, quiet: write a duration like 90s, 10m, 2h or 1d",
        ),
        (
            lambda content: content["stages"][0]["request"].update(answers=["(a"]),
            (
                "stage bread, request, answers: does not compile: missing ) at position 2, at its end; "
                "mend it (a literal bracket is written with \\)"
            ),
        ),
        (lambda content: content.update(version=2), "version: 2 is not known; write 1"),
        (
            lambda content: content.update(include=["nowhere.yaml"]),
            "include nowhere.yaml: no such file, neither beside this one nor among the shipped ones",
        ),
        (sample(7), "pattern baked, sample 1, line: must be text, not 7; put it in quotes"),  # type: ignore[arg-type]
        (
            sample(LINE, rows="12"),
            "pattern baked, sample 1, fields, rows: unknown key 'rows'; did you mean rows_in?",
        ),
    ],
)
def test_a_wrong_file_is_not_loaded_and_says_what_is_wrong(tmp_path: Path, change: Change, problem: str) -> None:
    content = copy.deepcopy(GOOD)
    change(content)
    path = write(tmp_path, content)
    expected = problem.replace("{{", "{").replace("}}", "}").replace("{file}", path)
    assert f"{path}: {expected}" in problems(path)


def test_every_problem_is_said_at_once(tmp_path: Path) -> None:
    content = copy.deepcopy(GOOD)
    content["patterns"][0]["means"] = "nothing"
    content["patterns"][1]["samples"] = []
    content["patterns"][1]["counter_samples"] = ["ERR Bakery: smoke"]
    assert len(problems(write(tmp_path, content))) == 3


def test_a_broken_definition_is_said_once_however_many_patterns_use_it(tmp_path: Path) -> None:
    content = copy.deepcopy(GOOD)
    content["definitions"]["WINDOW"] = r"[%{TIME:start}"
    path = write(tmp_path, content)
    (problem,) = problems(path)
    assert problem.startswith(f"{path}: definition WINDOW: does not compile: ")


def test_files_that_include_each_other_are_refused(tmp_path: Path) -> None:
    other = {"version": 1, "description": "A fragment.", "include": ["mine.yaml"]}
    write(tmp_path, other, "other.yaml")
    path = write(tmp_path, {**GOOD, "include": ["other.yaml"]})
    (problem,) = problems(path)
    assert "include mine.yaml: the files include each other in a circle: " in problem


def test_a_fragment_that_two_files_include_is_read_once(tmp_path: Path) -> None:
    fragment = {"version": 1, "description": "Words.", "definitions": {"WORD": "x"}}
    write(tmp_path, fragment, "words.yaml")
    write(tmp_path, {"version": 1, "description": "More.", "include": ["words.yaml"]}, "more.yaml")
    assert load_profile(write(tmp_path, {**GOOD, "include": ["words.yaml", "more.yaml"]})).name == "mine"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("version: 1\nname: [", "line 2, column 8: not valid YAML: "),
        ("version: 1\nversion: 1\n", "line 2, column 1: not valid YAML: the key 'version' stands twice"),
        ("- a list\n", "holds no pattern file; it must be a mapping with version, description, patterns"),
        ("", "holds no pattern file"),
        ("\0", "not valid YAML: "),
        ("[" * 100_000, "not valid YAML: "),
        ("- " * 100_000, "not valid YAML: "),
    ],
)
def test_what_is_no_pattern_file_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = write(tmp_path, text)
    (said,) = problems(path)
    assert said.startswith(f"{path}: {problem}")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    (said,) = problems(str(path))
    assert said.startswith(f"{path}: not valid YAML: ")


def test_an_unknown_profile_names_the_nearest_known() -> None:
    assert problems("kubecost-1.9") == ("profile kubecost-1.9: there is no such profile; did you mean kubecost-1.99?",)
    (said,) = problems("nowhere/mine.yaml")
    assert (
        said
        == "nowhere/mine.yaml: cannot be read: No such file or directory; give a shipped profile or a readable file"
    )


def test_a_pattern_that_runs_away_on_its_own_sample_is_refused(tmp_path: Path) -> None:
    content = copy.deepcopy(GOOD)
    content["patterns"][1].update(
        regex=r"^(?:a|aa)+$", level=[], samples=[{"line": "a" * 60 + "!"}], counter_samples=[]
    )
    path = write(tmp_path, content)
    assert f"{path}: pattern burnt, sample 1: matching took longer than 1 s; make the regex simpler" in problems(path)


@pytest.mark.parametrize("file", sorted(shipped_folder().rglob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_files_are_written_for_people(file: Path) -> None:
    """Every regex is anchored, and every file says what it is for."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert content["description"].endswith(".")
    for each in content.get("patterns", []):
        assert each["regex"].startswith("^"), each["id"]
        assert each["says"].endswith("."), each["id"]
        assert regex.fullmatch(r"[a-z]+(-[a-z]+)*", each["id"])
