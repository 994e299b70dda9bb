"""The simulated log API against what a real API server and kubelet were seen to do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest

from watcher.simulator import Answer, Cluster, Cut, Death, Faults, KubeServer
from watcher.simulator.objects import Pod
from watcher.simulator.records import ContainerLog, Record

SECOND = 1_000_000_000
TEN = 1_700_000_010 * SECOND
TEN_TEXT = "2023-11-14T22:13:30"


@dataclass(slots=True)
class Served:
    """A cluster with one pod, not started, and a client of it."""

    server: KubeServer
    session: aiohttp.ClientSession

    @property
    def cluster(self) -> Cluster:
        return self.server.cluster

    @property
    def faults(self) -> Faults:
        return self.server.faults

    @property
    def pod(self) -> Pod:
        return self.cluster.pod

    @property
    def log(self) -> ContainerLog:
        life = self.pod.cost_model.life
        assert life is not None
        return life.log

    def start(self) -> ContainerLog:
        return self.cluster.start(self.pod).log

    def log_url(self, pod: str | None = None) -> str:
        return f"{self.server.url}/api/v1/namespaces/kubecost/pods/{pod or self.pod.name}/log"

    async def read(self, **query: str) -> tuple[int, bytes]:
        """Status and whole body of a log request."""
        async with self.session.get(self.log_url(), params={"container": "cost-model", **query}) as response:
            return response.status, await response.read()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    cluster = Cluster()
    cluster.add_pod()
    async with (
        KubeServer(cluster, token="good") as server,
        aiohttp.ClientSession(headers={"Authorization": "Bearer good"}) as session,
    ):
        yield Served(server, session)


async def message(response: aiohttp.ClientResponse) -> str:
    body = json.loads(await response.text())
    assert body["kind"] == "Status"
    assert body["code"] == response.status
    return str(body["message"])


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ({"container": "nope"}, 400, "container nope is not valid for pod"),
        ({}, 400, "choose one of: [cost-model cost-analyzer-frontend]"),
        ({"previous": "true"}, 400, 'previous terminated container "cost-model" in pod'),
        ({"sinceTime": "yesterday"}, 400, 'cannot parse "yesterday" as "2006"'),
        ({"sinceTime": "2026-11-23"}, 400, 'cannot parse "" as "T"'),
        ({"sinceTime": "2026-11-23T08:00:00 00:00"}, 400, 'cannot parse " 00:00" as "Z07:00"'),
        ({"sinceTime": "1700000000"}, 400, 'cannot parse "000000" as "-"'),
        ({"sinceTime": "2026-13-41T08:00:00Z"}, 400, "out of range"),
        ({"sinceSeconds": "x"}, 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ({"sinceSeconds": "0"}, 422, "must be greater than 0"),
        ({"tailLines": "-1"}, 422, "must be greater than or equal to 0"),
        ({"limitBytes": "0"}, 422, "must be greater than 0"),
        ({"stream": "Stdout"}, 422, "stream: Forbidden: may not be specified"),
        ({"sinceTime": "2026-11-23T08:00:00Z", "sinceSeconds": "5"}, 422, "at most one of sinceTime or sinceSeconds"),
    ],
)
async def test_what_cannot_be_served_is_refused_in_the_words_of_a_real_server(
    served: Served, query: dict[str, str], status: int, says: str
) -> None:
    served.start()
    named = query if not query or "container" in query else {"container": "cost-model", **query}
    async with served.session.get(served.log_url(), params=named) as response:
        assert response.status == status
        assert says in await message(response)


@pytest.mark.parametrize(
    "query", [{"bogus": "1"}, {"sincetime": "rubbish"}, {"sinceTime": ""}, {"timestamps": "false"}, {"pretty": "true"}]
)
async def test_unknown_and_empty_parameters_are_ignored(served: Served, query: dict[str, str]) -> None:
    served.start().write(b"line")
    assert await served.read(**query) == (200, b"line\n")


async def test_a_pod_that_is_not_there_is_404_and_names_it(served: Served) -> None:
    async with served.session.get(served.log_url("nope"), params={"container": "cost-model"}) as response:
        body = await response.json()
    assert response.status == 404
    assert body["message"] == 'pods "nope" not found'
    assert body["details"] == {"name": "nope", "kind": "pods"}


async def test_a_pod_without_a_node_is_204_without_a_body(served: Served) -> None:
    served.pod.scheduled = False
    assert await served.read() == (204, b"")


async def test_before_the_first_start_the_reason_of_waiting_is_told(served: Served) -> None:
    status, body = await served.read()
    assert status == 400
    assert b"is waiting to start: ContainerCreating" in body
    served.cluster.back_off(served.pod, "ImagePullBackOff")
    assert b"trying and failing to pull image" in (await served.read())[1]


async def test_only_json_and_anything_are_acceptable(served: Served) -> None:
    served.start()
    for accept, status in (("text/plain", 406), ("text/html", 406), ("*/*", 200), ("application/json, */*", 200)):
        async with served.session.get(
            served.log_url(), params={"container": "cost-model"}, headers={"Accept": accept}
        ) as response:
            assert response.status == status, accept


async def test_head_is_not_allowed(served: Served) -> None:
    async with served.session.head(served.log_url()) as response:
        assert response.status == 405


async def test_headers_come_before_the_first_line(served: Served) -> None:
    served.start()
    async with asyncio.timeout(1):
        response = await served.session.get(served.log_url(), params={"container": "cost-model", "follow": "true"})
    assert response.headers["Content-Type"] == "text/plain"
    assert response.headers["Transfer-Encoding"] == "chunked"
    response.close()


async def test_since_time_is_cut_to_the_second_and_inclusive(served: Served) -> None:
    log = served.start()
    for offset in (-1, 0, 1, SECOND - 1, SECOND):
        log.write(f"{offset}".encode(), stamp=TEN + offset)
    for since in ("Z", ".000000001Z", ".999999999Z"):
        assert await served.read(sinceTime=TEN_TEXT + since) == (200, b"0\n1\n999999999\n1000000000\n")
    assert (await served.read(sinceTime=f"{TEN_TEXT}+00:00"))[1].startswith(b"0\n")


async def test_since_time_is_tested_for_every_record_of_a_follow(served: Served) -> None:
    """An old stamp that is written late is not delivered; a young one after it is."""
    log = served.start()
    log.write(b"old", stamp=TEN - 1)
    query = {"container": "cost-model", "follow": "true", "sinceTime": f"{TEN_TEXT}Z"}
    async with served.session.get(served.log_url(), params=query) as response:
        log.write(b"young", stamp=TEN)
        log.write(b"old again", stamp=TEN - 1)
        log.write(b"last", stamp=TEN + 1)
        assert await response.content.readline() == b"young\n"
        assert await response.content.readline() == b"last\n"


async def test_stamps_have_nine_digits_and_the_zone_of_the_node(served: Served) -> None:
    log = served.start()
    log.write(b"", stamp=TEN)
    log.write(b"x", stamp=TEN + 500_000_000)
    assert await served.read(timestamps="true") == (
        200,
        f"{TEN_TEXT}.000000000Z \n{TEN_TEXT}.500000000Z x\n".encode(),
    )
    served.cluster.zone_minutes = 120
    assert (await served.read(timestamps="true", tailLines="1"))[1] == b"2023-11-15T00:13:30.500000000+02:00 x\n"


async def test_a_long_line_is_one_line_with_one_stamp(served: Served) -> None:
    text = b"a" * 40_000
    served.start().write(text, stamp=TEN)
    assert await served.read(timestamps="true") == (200, f"{TEN_TEXT}.000000000Z ".encode() + text + b"\n")


async def test_tail_lines_count_records_and_may_begin_inside_a_line(served: Served) -> None:
    log = served.start()
    log.write(b"first")
    log.write(b"a" * 40_000)
    assert await served.read(tailLines="1") == (200, b"a" * (40_000 - 2 * 16_384) + b"\n")
    assert await served.read(tailLines="0") == (200, b"")


async def test_limit_bytes_cuts_anywhere_and_ends_a_follow(served: Served) -> None:
    served.start().write(b"0123456789")
    assert await served.read(limitBytes="4", follow="true") == (200, b"0123")


async def test_since_inside_a_split_line_leaves_a_piece_without_a_stamp(served: Served) -> None:
    log = served.start()
    log.write_record(Record(TEN - 1, b"head", full=False))
    log.write_record(Record(TEN, b"tail"))
    assert await served.read(timestamps="true", sinceTime=f"{TEN_TEXT}Z") == (200, b"tail\n")


async def test_stderr_between_the_pieces_of_stdout_is_glued_to_them(served: Served) -> None:
    log = served.start()
    log.write_record(Record(TEN, b"out-", full=False, stream="stdout"))
    log.write_record(Record(TEN + 1, b"err"))
    log.write_record(Record(TEN + 2, b"rest", stream="stdout"))
    assert (await served.read(timestamps="true"))[1] == (
        f"{TEN_TEXT}.000000000Z out-err\n{TEN_TEXT}.000000002Z rest\n".encode()
    )


async def test_bytes_go_through_unchanged(served: Served) -> None:
    raw = bytes(set(range(256)) - {0x0A})
    served.start().write(raw)
    assert await served.read() == (200, raw + b"\n")


async def test_what_was_rotated_away_cannot_be_had_but_a_follow_goes_on(served: Served) -> None:
    log = served.start()
    log.write(b"before")
    async with served.session.get(served.log_url(), params={"container": "cost-model", "follow": "true"}) as response:
        log.rotate()
        log.write(b"after")
        assert await response.content.readline() == b"before\n"
        assert await response.content.readline() == b"after\n"
    assert await served.read() == (200, b"after\n")


async def test_an_old_kubelet_leaves_followers_at_the_rotated_file(served: Served) -> None:
    log = served.start()
    log.write(b"before")
    async with served.session.get(served.log_url(), params={"container": "cost-model", "follow": "true"}) as response:
        assert await response.content.readline() == b"before\n"
        log.rotate(followers_stuck=True)
        log.write(b"after")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await response.content.readline()
        assert await served.read() == (200, b"after\n")


async def test_a_follow_ends_cleanly_with_its_container_and_never_shows_the_next(served: Served) -> None:
    served.start().write(b"one")
    async with served.session.get(served.log_url(), params={"container": "cost-model", "follow": "true"}) as response:
        served.cluster.restart(served.pod, Death("OOMKilled", 137))
        served.log.write(b"two")
        assert await response.read() == b"one\n"
    assert await served.read() == (200, b"two\n")
    assert await served.read(previous="true", follow="true") == (200, b"one\n")


async def test_an_unfinished_last_line_has_no_newline(served: Served) -> None:
    log = served.start()
    log.write(b"no newline", newline=False)
    served.cluster.die(served.pod, Death())
    assert await served.read() == (200, b"no newline")


async def test_while_the_kubelet_backs_off_the_dead_log_is_given_again_and_again(served: Served) -> None:
    """A reader that reconnects without thinking gets the same lines every time."""
    served.start().write(b"one")
    served.cluster.die(served.pod, Death())
    assert (await served.read(previous="true"))[0] == 400  # not the life before: there was none
    served.cluster.back_off(served.pod)
    for _ in range(3):
        assert await served.read(follow="true") == (200, b"one\n")
    assert await served.read(previous="true") == (200, b"one\n")


async def test_previous_is_only_the_life_before(served: Served) -> None:
    served.start().write(b"one")
    for line in (b"two", b"three"):
        served.cluster.restart(served.pod, Death())
        served.log.write(line)
    assert await served.read(previous="true") == (200, b"two\n")


async def test_a_dead_container_that_was_collected_is_an_error_inside_a_200(served: Served) -> None:
    served.start().write(b"one")
    life = served.pod.cost_model.life
    assert life is not None
    served.cluster.restart(served.pod, Death())
    life.collected = True
    status, body = await served.read(previous="true", timestamps="true")
    assert status == 200
    assert body == f"unable to retrieve container logs for {life.container_id}".encode()


async def test_a_deleted_pod_ends_its_follow_after_the_last_line(served: Served) -> None:
    log = served.start()
    pod = served.pod
    async with served.session.get(served.log_url(), params={"container": "cost-model", "follow": "true"}) as response:
        log.write(b"got TERM")
        served.cluster.delete_pod(pod)
        assert await response.read() == b"got TERM\n"
    async with served.session.get(served.log_url(pod.name), params={"container": "cost-model"}) as response:
        assert response.status == 404


async def test_a_stream_can_be_ended_early_with_a_text_of_the_kubelet(served: Served) -> None:
    served.start().write(b"0123456789")
    served.faults.log_cuts.append(Cut(4, text="failed to create fsnotify watcher: too many open files"))
    assert await served.read(follow="true") == (200, b"0123failed to create fsnotify watcher: too many open files")
    assert await served.read() == (200, b"0123456789\n")


async def test_a_stream_can_be_reset_or_stall(served: Served) -> None:
    served.start().write(b"0123456789")
    served.faults.log_cuts.extend([Cut(4, "abort"), Cut(4, "stall")])
    with pytest.raises(aiohttp.ClientPayloadError):
        await served.read(follow="true")
    async with served.session.get(served.log_url(), params={"container": "cost-model", "follow": "true"}) as response:
        assert await response.content.readexactly(4) == b"0123"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await response.content.readany()


async def test_the_next_answers_can_be_wrong_ones(served: Served) -> None:
    served.start().write(b"line")
    draining = Answer(429, "The apiserver is shutting down", "text/plain", (("Retry-After", "5"),))
    served.faults.log_answers.extend([Answer(500), draining])
    assert (await served.read())[0] == 500
    async with served.session.get(served.log_url(), params={"container": "cost-model"}) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "5")
    assert await served.read() == (200, b"line\n")
