"""What `watcher patterns test` reports: hits and captures, and where matching stopped."""

import gzip
import io
import json
import sys
from pathlib import Path

import pytest

from watcher.errors import ConfigError
from watcher.patterncheck import MAX_SHOWN, as_document, as_text, check_patterns
from watcher.profile import Profile, load_profile

GOOD = (
    "INF ETL: Asset[1d]: AggregatedStore.Run[fvkKR]: run: aggregated "
    "[2023-01-01T00:00:00+0000, 2023-01-02T00:00:00+0000) from 19 to 3 in 68.417µs"
)
LOG = "\n".join(
    [
        GOOD,
        "INF http: named cookie not present",
        GOOD.replace("from 19 to 3", "from 19 to three"),
        GOOD.replace("2023-01-01", "2023-02-30"),
        "",
        GOOD.replace("2023-01-02", "2023-01-03"),
    ]
)


@pytest.fixture(scope="module", name="profile")
def shipped() -> Profile:
    return load_profile("kubecost-1.99")


@pytest.fixture(name="log")
def written(tmp_path: Path) -> str:
    path = tmp_path / "pod.log"
    path.write_text(LOG, encoding="utf-8")
    return str(path)


def test_lines_are_matched_ignored_or_missed(profile: Profile, log: str) -> None:
    """The last line counts although no newline ends it."""
    report = check_patterns(profile, log)
    assert (report.lines, report.matched, report.ignored, report.missed) == (6, 2, 2, 2)
    use = report.uses["store-aggregated"]
    assert (use.hits, use.line) == (2, 1)
    assert use.captures == {
        "stage": "asset",
        "window": "2023-01-01T00:00:00Z,2023-01-02T00:00:00Z",
        "resolution": "1d",
        "id": "fvkKR",
        "rows_in": 19,
        "rows_out": 3,
        "seconds": 0.000068417,
    }
    assert sum(each.hits for each in report.uses.values()) == 2


def test_a_near_miss_names_the_pattern_it_is_like_and_the_place(profile: Profile, log: str) -> None:
    words, date = check_patterns(profile, log).near_misses
    assert (words.line, words.pattern) == (3, "store-aggregated")
    assert words.problem == (
        "matched up to here: '…0, 2023-01-02T00:00:00+0000) from 19 to ', stopped before 'three in 68.417µs'"
    )
    assert (date.line, date.pattern) == (4, "store-aggregated")
    assert date.problem == "matched, but '2023-02-30T00:00:00+0000' is not a time: day is out of range for month"


@pytest.mark.parametrize(
    ("line", "pattern"),
    [
        ("INF ETL: Asset[1d]: Reconciliation[a/b]: Repair[abcde]: repair finished for [", "reconciliation-complete"),
        ("INF ETL: CloudUsage[a/b]: Repair[abcde]: QueryCloudUsages [", "cloudusage-querying"),
        ("INF Asset[1d]: AggregatedStoreDriver[x]: run: aggregated [2023-01-01T00:00", "store-aggregated"),
        ("INF CloudCost[a/b]: ingestor: building windows", "cloudcost-building"),
        ("INF ?? ETLStore", None),
    ],
)
def test_the_pattern_most_like_a_line(profile: Profile, tmp_path: Path, line: str, pattern: str | None) -> None:
    path = tmp_path / "one.log"
    path.write_text(line, encoding="utf-8")
    (miss,) = check_patterns(profile, str(path)).near_misses
    assert miss.pattern == pattern


def test_every_unmatched_line_is_listed_if_asked_for(profile: Profile, log: str) -> None:
    report = check_patterns(profile, log, print_missed=True)
    assert [number for number, _ in report.unmatched] == [2, 3, 4, 5]
    assert "unmatched, line 2: http: named cookie not present" in as_text(report)
    assert check_patterns(profile, log).unmatched == []


def test_without_a_log_the_samples_are_read(profile: Profile) -> None:
    report = check_patterns(profile)
    assert report.lines == report.matched == sum(len(each.samples) for each in profile.patterns)
    assert {name: use.hits for name, use in report.uses.items()} == {
        each.id: len(each.samples) for each in profile.patterns
    }


def test_the_summary_ends_the_text(profile: Profile, log: str) -> None:
    text = as_text(check_patterns(profile, log))
    assert text.endswith(f"{log}: 6 lines, 2 matched, 2 ignored, 2 missed\n")
    assert "       2  store-aggregated" in text
    assert "    like store-aggregated: matched up to here: " in text


def test_the_document_says_the_same_as_json(profile: Profile, log: str) -> None:
    document = json.loads(json.dumps(as_document(check_patterns(profile, log, print_missed=True))))
    names = ("version", "profile", "log", "lines", "matched", "ignored", "missed")
    assert [document[name] for name in names] == [1, "kubecost-1.99", log, 6, 2, 2, 2]
    assert [each["id"] for each in document["patterns"]] == [each.id for each in profile.patterns]
    assert [each["line"] for each in document["near_misses"]] == [3, 4]
    assert len(document["unmatched"]) == 4


def test_a_compressed_log_is_read_whatever_its_name(profile: Profile, tmp_path: Path) -> None:
    path = tmp_path / "pod.log"
    path.write_bytes(gzip.compress(LOG.encode()))
    assert check_patterns(profile, str(path)).lines == 6


def test_a_log_that_breaks_off_is_read_as_far_as_it_goes(profile: Profile, tmp_path: Path) -> None:
    path = tmp_path / "pod.log.gz"
    path.write_bytes(gzip.compress(LOG.encode() * 2000, compresslevel=0)[:200_000])
    report = check_patterns(profile, str(path))
    assert report.lines > 1000
    assert len(report.warnings) == 1
    assert report.warnings[0].startswith(f"{path}: reading ended early (")


def test_standard_input_is_read(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LOG.encode())))
    assert check_patterns(profile, "-").lines == 6


def test_many_near_misses_are_counted_and_some_explained(profile: Profile, tmp_path: Path) -> None:
    path = tmp_path / "pod.log"
    path.write_text("ETLStore\n" * (MAX_SHOWN + 7), encoding="utf-8")
    report = check_patterns(profile, str(path))
    assert (report.missed, len(report.near_misses)) == (MAX_SHOWN + 7, MAX_SHOWN)
    assert "and 7 more near misses" in as_text(report)


def test_a_binary_log_does_not_reach_the_terminal_raw(profile: Profile, tmp_path: Path) -> None:
    path = tmp_path / "binary.log"
    path.write_bytes(b"\x07\x1b]0;title\x07 ETLStore \xff\x00\n" * 3)
    text = as_text(check_patterns(profile, str(path), print_missed=True))
    assert all(char.isprintable() or char == "\n" for char in text)


def test_a_log_that_is_not_there_is_one_clear_line(profile: Profile, tmp_path: Path) -> None:
    log = str(tmp_path / "nowhere.log")
    with pytest.raises(ConfigError) as caught:
        check_patterns(profile, log)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{log}: cannot be read (No such file or directory); give the path of")
