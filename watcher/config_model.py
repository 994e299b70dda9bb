"""The shape of a configuration: every key, its type, its default. What the keys mean to people: config.example.yaml."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from watcher.config_values import BaseUrl, Duration, FilePath, ListenAddress, WindowText

EventKind = Literal["run_started", "stage_done", "run_done", "failed", "held", "unclear", "restarted"]
EVERY_KIND: tuple[EventKind, ...] = (
    "run_started",
    "stage_done",
    "run_done",
    "failed",
    "held",
    "unclear",
    "restarted",
)
Words = Annotated[str, Field(min_length=1)]
# The names of Kubernetes objects; a slash or a blank would end up in the path of a request.
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]
ChunkDays = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """What all parts of a configuration have in common: nothing unknown, nothing guessed, nothing changed later."""

    # Where a default is validated, it is because it is written as people write it, so that the schema shows it so.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, value: object) -> object:
        """``server:`` with nothing below it, as is left when its keys are commented out."""
        return {} if value is None else value


def _empty_list(value: object) -> object:
    return [] if value is None else value


def _empty_mapping(value: object) -> object:
    return {} if value is None else value


class StagePatience(Section):
    """How long silence is accepted in one stage; what is not given here is taken from ``patience``."""

    start: Duration | None = Field(None, description="until the first line after a request")
    day: Duration | None = Field(None, description="between two lines of a stage at work")
    quiet: Duration | None = Field(None, description="before silence means that the pipeline rests")


class RunPatience(Section):
    """How long silence is accepted. ``quiet`` None: what the profile says of the stage, else 5m."""

    start: Duration = Field("10m", validate_default=True, description="until the first line after a request")
    day: Duration = Field("2h", validate_default=True, description="between two lines of a stage at work")
    quiet: Duration | None = Field(None, description="before silence means rest; null: the profile's own, else 5m")
    blind: Duration = Field("15m", validate_default=True, description="without any stream of the log")


class StageOptions(Section):
    """What is different for one stage."""

    chunk_days: ChunkDays | None = Field(None, description="days in one request; null: the run's")
    url: BaseUrl | None = Field(None, description="where this stage is requested; null: kubecost.url")
    providers: Annotated[list[Words], BeforeValidator(_empty_list)] = Field(
        [], description="provider keys that must each cover every day"
    )
    wait_hourly: bool = Field(default=False, description="also wait for the hourly store")
    patience: StagePatience = StagePatience()


class KubecostSection(Section):
    """Where repairs are requested."""

    url: BaseUrl = Field("http://kubecost-cost-analyzer:9090/model", description="with /model behind the frontend")
    headers_file: FilePath | None = Field(None, description="a file of NAME: VALUE lines, sent with every request")
    ca_file: FilePath | None = Field(None, description="PEM bundle to trust instead of the system's")
    insecure_skip_tls_verify: bool = Field(default=False, description="do not check the certificate")
    timeout: Duration = Field("30s", validate_default=True, description="for one request, answer included")


class LogsSection(Section):
    """Which log is followed."""

    source: Literal["kubernetes", "file", "stdin"] = "kubernetes"
    namespace: ObjectName = Field("kubecost", description="of the deployment")
    deployment: ObjectName = Field("kubecost-cost-analyzer", description="whose pod does the repairs")
    container: ObjectName = Field("cost-model", description="the container that writes the log")
    kubeconfig: FilePath | None = Field(None, description="null: in-cluster if there, else $KUBECONFIG, ~/.kube/config")
    context: Words | None = Field(None, description="of the kubeconfig; null: its current one")
    path: FilePath | None = Field(None, description="the log, for source: file")


class StateSection(Section):
    """Where the run is remembered."""

    path: FilePath = Field("watcher.db", validate_default=True, description="SQLite, created if absent")


class ServerSection(Section):
    """The web answer."""

    listen: ListenAddress | None = Field("127.0.0.1:8080", description="HOST:PORT; null: none")
    token_file: FilePath | None = Field(None, description="holds the bearer token for any POST")


class NotifyEntry(Section):
    """One destination of messages."""

    url: SecretStr | None = Field(None, min_length=1, description="an apprise URL; a secret, better in url_file")
    url_file: FilePath | None = Field(None, description="a file that holds the apprise URL")
    events: list[EventKind] = Field(list(EVERY_KIND), min_length=1, description="which messages it wants")
    name: Words | None = Field(None, description="how output calls it; null: from the URL's scheme or the file's name")


class ConfigShape(Section):
    """Configuration of the watcher."""

    version: Literal[1] = 1
    name: Words | None = Field(None, description="of the run, in messages; null: made of the window")
    window: WindowText = Field(description="START,END: whole days in UTC, END exclusive")
    profile: Words = Field(description="a name in patterns/, or a path from this file's folder on")
    stages: list[Words] | None = Field(None, min_length=1, description="order and choice; null: the profile's")
    chunk_days: ChunkDays | None = Field(None, description="days in one request; null: the whole window")
    max_attempts: Annotated[int, Field(ge=1)] = Field(3, description="requests for one day in one stage")
    stage_options: Annotated[dict[str, StageOptions], BeforeValidator(_empty_mapping)] = Field(
        {}, description="by stage"
    )
    kubecost: KubecostSection = KubecostSection()
    logs: LogsSection = LogsSection()
    state: StateSection = StateSection()
    server: ServerSection = ServerSection()
    notify: Annotated[list[NotifyEntry], BeforeValidator(_empty_list)] = Field([], description="who is told")
    patience: RunPatience = RunPatience()


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a configuration file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ConfigShape.model_json_schema()}
