"""Envelopes: what stands around a message comes off, whatever put it there, and the message comes through unchanged."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.envelopes import LEVELS, Envelope, stamp, unwrap, unwrap_lines

MESSAGE = "ETL: Asset[1d]: AggregatedStore.Run[fvkKR]: run: aggregated [a, b) from 19 to 3 in 68.417µs"
AT = datetime(2022, 12, 8, 7, 39, 42, 395915, UTC)
RUNTIME = datetime(2022, 12, 8, 7, 39, 43, 1, UTC)
RUNTIME_STAMP = "2022-12-08T07:39:43.000001000Z"


@pytest.mark.parametrize(
    ("line", "level", "at", "runtime_at"),
    [
        (MESSAGE, None, None, None),
        (f"2022-12-08T07:39:42.395915839Z INF {MESSAGE}", "info", AT, None),
        (f"2022-12-08T15:39:42.395915839+08:00 WRN {MESSAGE}", "warning", AT, None),
        (f"2022-12-08T07:39:42Z DBG {MESSAGE}", "debug", AT.replace(microsecond=0), None),
        (f"2022-12-08T07:39:42.3Z TRC {MESSAGE}", "trace", AT.replace(microsecond=300000), None),
        (f"2022-12-08T07:39:42.395915839Z ??? {MESSAGE}", None, AT, None),
        (f"<nil> FTL {MESSAGE}", "fatal", None, None),
        (f"PNC {MESSAGE}", "fatal", None, None),
        (f"2006-01-02T15:04:05.999999999Z07:00 INF {MESSAGE}", "info", None, None),
        (f"\x1b[90m2022-12-08T07:39:42.395915839Z\x1b[0m \x1b[32mINF\x1b[0m {MESSAGE}", "info", AT, None),
        (f"\x1b[90m2022-12-08T07:39:42.395915Z\x1b[0m \x1b[1m\x1b[31mERR\x1b[0m\x1b[0m {MESSAGE}", "error", AT, None),
        (f"I0228 19:52:21.446833       1 log.go:47] [Info] {MESSAGE}", "info", None, None),
        (f"I0623 14:18:30.674226 1 log.go:32] [Warning] {MESSAGE}", "warning", None, None),
        (f"I0116 01:33:29.909363       1 aggregation.go:620] [Warning]: {MESSAGE}", "warning", None, None),
        (f"E0330 16:41:39.748529       1 log.go:17] [Error] {MESSAGE}", "error", None, None),
        (f"W0330 16:41:39.748529       1 log.go:17] {MESSAGE}", "warning", None, None),
        (f"[Error] {MESSAGE}", "error", None, None),
        (f"[Info] {MESSAGE}\r", "info", None, None),
        (f"│ 2022-12-08T07:39:42.395915Z INF {MESSAGE}        │", "info", AT, None),
        (f"{RUNTIME_STAMP} {MESSAGE}", None, None, RUNTIME),
        (f"{RUNTIME_STAMP} 2022-12-08T07:39:42.395915839Z INF {MESSAGE}", "info", AT, RUNTIME),
        (f"2022-12-08T03:39:43.000001000-04:00 I0228 19:52:21.4 1 log.go:47] {MESSAGE}", "info", None, RUNTIME),
        (f"{RUNTIME_STAMP} stderr F 2022-12-08T07:39:42.395915Z INF {MESSAGE}", "info", AT, RUNTIME),
        (f"[pod/kubecost-cost-analyzer-0/cost-model] {RUNTIME_STAMP} {MESSAGE}", None, None, RUNTIME),
        (f"kubecost-cost-analyzer-8558649ffb-45b4l cost-model {MESSAGE}", None, None, None),
        (f"kubecost cost-analyzer-8558649ffb-45b4l cost-model WRN {MESSAGE}", "warning", None, None),
        (f"analyzer cost-model 2022-12-08T07:39:42.395915Z INF {MESSAGE}", "info", AT, None),
        (f"[kubecost-cost-analyzer-8558649ffb-45b4l cost-model] {MESSAGE}", None, None, None),
        (f"cost-analyzer-8558649ffb-45b4l \u203a cost-model │ [Error] {MESSAGE}", "error", None, None),
    ],
)
def test_each_envelope_is_understood(line: str, level: str | None, at: object, runtime_at: object) -> None:
    assert unwrap(line) == Envelope(MESSAGE, level, at, runtime_at)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "envelope"),
    [
        (
            '{"level":"warn","time":"2022-12-08T07:39:42.395915839Z","message":"cannot repair","extra":{"a":[1]}}',
            Envelope("cannot repair", "warning", AT),
        ),
        ('{"level":"info","msg":"hello"}', Envelope("hello", "info")),
        ('{"level":"panic","message":"over"}', Envelope("over", "fatal")),
        (
            '{"level":30,"time":1670485182,"message":"numbers are no levels here"}',
            Envelope("numbers are no levels here"),
        ),
        ('{"code":200,"data":"Repairing Asset ETL"}', Envelope('{"code":200,"data":"Repairing Asset ETL"}')),
        ('{"level":"info","message":"cut', Envelope('{"level":"info","message":"cut')),
        ("{}", Envelope("{}")),
    ],
)
def test_json_gives_its_message_and_other_json_is_the_message(line: str, envelope: Envelope) -> None:
    assert unwrap(line) == envelope


@pytest.mark.parametrize(
    "line",
    [
        "[Profiler] 253.656948ms: ETL: Asset[1h]: run[epKpK]: completed",
        "[JWT Groups] No Cookie set",
        "Log level set to info",
        "tracing disabled",
        "  kubecost_user_type: {XMLName:{Space:urn}}",
        "\t/usr/local/go/src/runtime/panic.go:1047 +0x5d",
        "INFORMATION that begins like a level",
        "2024/04/04 16:44:37 maxprocs: Updating GOMAXPROCS=10",
        "93",
        "",
    ],
)
def test_what_only_looks_like_an_envelope_stays(line: str) -> None:
    assert unwrap(line) == Envelope(line)


def test_the_tag_of_klog_wins_over_its_letter() -> None:
    """Klog of that time wrote the letter I for warnings too."""
    assert unwrap("I0228 19:52:20.705926       1 log.go:32] [Warning] disk gone").level == "warning"
    assert unwrap("I0228 19:52:20.706416       1 log.go:62] [Profiler] 2ms: done") == Envelope(
        "[Profiler] 2ms: done", "info"
    )


@pytest.mark.parametrize(
    "text", ["2022-13-08T07:39:42Z", "2022-02-30T07:39:42Z", "2022-12-08T07:39:42", "", "yesterday"]
)
def test_a_stamp_that_is_no_time_is_none(text: str) -> None:
    assert stamp(text) is None


def test_an_impossible_stamp_still_comes_off() -> None:
    assert unwrap(f"2022-13-08T07:39:42Z INF {MESSAGE}") == Envelope(MESSAGE, "info")


# ---- any combination ------------------------------------------------------------------------------------------------

OWN: list[Callable[[str], str]] = [
    lambda message: message,
    lambda message: f"INF {message}",
    lambda message: f"[Warning] {message}",
    lambda message: f"2022-12-08T07:39:42.395915839Z ERR {message}",
    lambda message: f"2022-12-08T07:39:42+01:00 DBG {message}",
    lambda message: f"\x1b[90m2022-12-08T07:39:42.3959Z\x1b[0m \x1b[32mINF\x1b[0m {message}",
    lambda message: f"I0228 19:52:21.446833       1 log.go:47] [Info] {message}",
    lambda message: f"E0228 19:52:21.446833 42 costmodel.go:3421] {message}",
    lambda message: json.dumps({"level": "info", "time": "2022-12-08T07:39:42Z", "message": message}),
    lambda message: json.dumps({"message": message, "level": "error"}, ensure_ascii=False),
]
STAMPS = ["", f"{RUNTIME_STAMP} ", "2022-12-08T09:39:43.000001000+02:00 "]
PREFIXES = [
    "",
    "[pod/kubecost-cost-analyzer-6d9f5c7b4-x2k8p/cost-model] ",
    "[kubecost-cost-analyzer-6d9f5c7b4-x2k8p cost-model] ",
    "kubecost-cost-analyzer-6d9f5c7b4-x2k8p cost-model ",
    "kubecost-cost-analyzer-6d9f5c7b4-x2k8p \u203a cost-model │ ",
    "kubecost kubecost-aggregator-0 cost-model ",
]
ENDS = ["", "\r", "   ", "      │"]

messages = st.one_of(
    st.sampled_from(
        [
            MESSAGE,
            "ETL: CloudUsage[440082503234/s3://aws-athena-query-results-]: Run[JkSYH]: QueryCloudUsage [a, b)",
            "[Profiler] 17.247540034s: ETL: Asset[1d]: Reconciliation[A/b:c]: Repair[DozXM]: total elapsed for [a, b)",
            "Log level set to info",
        ]
    ),
    st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=60).map(
        lambda text: f"ETL: {text}."
    ),
)


@given(
    message=messages,
    own=st.sampled_from(OWN),
    runtime=st.sampled_from(STAMPS),
    prefix=st.sampled_from(PREFIXES),
    framed=st.booleans(),
    stamp_outside=st.booleans(),
    end=st.sampled_from(ENDS),
)
def test_any_combination_gives_the_message_back(
    *, message: str, own: Callable[[str], str], runtime: str, prefix: str, framed: bool, stamp_outside: bool, end: str
) -> None:
    outside = runtime + prefix if stamp_outside else prefix + runtime
    envelope = unwrap(f"{'│ ' if framed else ''}{outside}{own(message)}{end}")
    assert envelope.message == message
    if runtime and own("x") != "INF x":  # a stamp directly before a level is the program's own
        assert envelope.runtime_at == RUNTIME


@given(st.text())
def test_no_text_makes_it_fail(line: str) -> None:
    envelope = unwrap(line)
    assert envelope.level in {*LEVELS, None}
    assert len(envelope.message) <= len(line)


PIECES = (
    "INF|??? |INF |ETL: |µ|[Info] |{|stdout F| ||\r|\x0b|\x0c|\x1c|\u2028|│|\x1b[31m|2022-12-08T07:39:42Z"
    "|2022-12-08T07:39:42.395915839+08:00 |2006-01-02T15:04:05.999999999Z07:00 "
)
lines = st.lists(st.sampled_from([*PIECES.split("|"), *STAMPS]) | messages, max_size=6).map("".join)


@given(st.lists(lines | st.text(), min_size=1, max_size=6))
def test_many_lines_at_once_are_read_like_one_by_one(several: list[str]) -> None:
    text = "\n".join(several)
    assert [Envelope(*parts) for parts in unwrap_lines(text)] == [unwrap(line) for line in text.split("\n")]


@pytest.mark.parametrize(
    "piece", ["a", "a-", "a.", "[a", "a-1 ", "\x1b[", "│", '{"a":', RUNTIME_STAMP + " ", "I0228 19:52:21.4 ", "INF "]
)
def test_a_hostile_line_is_read_in_linear_time(piece: str) -> None:
    """64 KiB of what a prefix is made of; quadratic behaviour would take minutes, pytest's timeout would end it."""
    line = piece * (65536 // len(piece))
    assert len(unwrap(line).message) <= len(line)
