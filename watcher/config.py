"""The configuration: found, read, checked as a whole, and handed on as frozen objects.

The keys are declared in ``config_model.py``; what they have to do with the profile is in ``config_plan.py``. Nothing
below this file looks at the environment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import PrivateAttr, ValidationError

from watcher.config_model import ConfigShape, json_schema
from watcher.config_plan import ProfileOfPlan, destination_names, joint_problems, make_plan, own_problems
from watcher.config_problems import nearest, shape_problems, spell_place
from watcher.config_secrets import read_headers, read_secret
from watcher.config_yaml import Document, Place, read_document
from watcher.core.plan import Plan
from watcher.core.window import EXAMPLE_WINDOW, parse_window
from watcher.errors import ConfigError

if TYPE_CHECKING:  # reading a profile loads half of the program, and `status` needs none of it
    from watcher.profile import Profile

__all__ = ["Config", "find_config", "json_schema", "load_config", "parse_window"]

DEFAULT_PATHS = (Path("config.yaml"), Path("/etc/watcher/config.yaml"))
PATH_VARIABLE = "WATCHER_CONFIG"
# Every secret can also be given by the name of its file in the environment; a variable wins over the file's own key.
SECRET_VARIABLES: Mapping[str, tuple[str, str]] = {
    "WATCHER_KUBECOST_HEADERS_FILE": ("kubecost", "headers_file"),
    "WATCHER_SERVER_TOKEN_FILE": ("server", "token_file"),
}
NOTIFY_VARIABLE = "WATCHER_NOTIFY_URL_FILE"  # adds one destination, for every kind of message


class Config(ConfigShape):
    """A configuration without faults of its own. Made by ``load_config`` alone."""

    _document: Document = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:  # noqa: ANN401  pydantic's signature
        """Keep where the keys stand, for problems that show later."""
        self._document = context

    @property
    def source(self) -> Path:
        """The file it was read from."""
        return self._document.path

    @property
    def state_path(self) -> Path:
        """The state file; a relative path counts from the working directory."""
        return self.state.path

    def load_profile(self) -> Profile:
        """The profile; raises ConfigError where there is none, or with every problem of its pattern files."""
        from watcher.profile import load_profile  # noqa: PLC0415  see above

        _raise(self._document, _profile_missing(self.profile, self.source))
        return load_profile(_profile_reference(self.profile, self.source))

    def plan(self, profile: ProfileOfPlan) -> Plan:
        """What the core is to do; raises ConfigError for everything that the profile does not have."""
        _raise(self._document, joint_problems(self, profile))
        return make_plan(self, profile)

    def url_of(self, stage: str) -> str:
        """The address behind which the repair of ``stage`` is requested, without a slash at its end."""
        options = self.stage_options.get(stage)
        return options.url if options is not None and options.url is not None else self.kubecost.url

    def shortest_patience(self) -> timedelta:
        """The shortest patience that is asked for anywhere: what watches more often than that is quick enough."""
        run = self.patience
        every = [run.start, run.day, run.quiet, run.blind]
        for stage in (options.patience for options in self.stage_options.values()):
            every += [stage.start, stage.day, stage.quiet]
        return min(each for each in every if each is not None)

    def kubecost_headers(self) -> dict[str, str]:
        """The headers to send with every request; raises ConfigError if their file is of no use."""
        path = self.kubecost.headers_file
        return {} if path is None else read_headers(path, "kubecost.headers_file")

    def server_token(self) -> str | None:
        """The bearer token that steering needs, None: no steering; raises ConfigError if its file is of no use."""
        path = self.server.token_file
        return None if path is None else read_secret(path, "server.token_file")

    def destinations(self) -> dict[str, str]:
        """The apprise URL of every destination, by the name the plan calls it; they are secrets.

        Raises ConfigError with every file that is of no use.
        """
        urls: dict[str, str] = {}
        problems: list[str] = []
        for index, (name, entry) in enumerate(zip(destination_names(self.notify), self.notify, strict=True)):
            try:
                if entry.url is not None:
                    urls[name] = entry.url.get_secret_value()
                elif entry.url_file is not None:
                    urls[name] = read_secret(entry.url_file, f"notify[{index}].url_file")
            except ConfigError as error:
                problems.extend(error.problems)
        if problems:
            raise ConfigError(*problems)
        return urls


def find_config(path: str | None, environ: Mapping[str, str]) -> Path:
    """The file: ``path``, else ``$WATCHER_CONFIG``, ``./config.yaml``, ``/etc/watcher/config.yaml``.

    Raises ConfigError where none of them was given or exists. A path that was given is not looked at.
    """
    if given := path or environ.get(PATH_VARIABLE):
        return Path(given)
    for candidate in DEFAULT_PATHS:
        if candidate.is_file():
            return candidate
    looked = " or ".join(map(str, DEFAULT_PATHS))
    message = f"no configuration: ${PATH_VARIABLE} is not set, and there is no {looked}; give one with --config FILE"
    raise ConfigError(message)


def load_config(path: Path, environ: Mapping[str, str]) -> Config:
    """Read and check a configuration, its profile apart.

    Raises ConfigError with every problem, a line each: ``FILE:LINE: key: what is wrong; what to do``. Secret files are
    not opened here.
    """
    document = read_document(path)
    _take_environment(document.value, environ)
    problems = list(document.problems)
    try:
        config = Config.model_validate(document.value, context=document)
    except ValidationError as error:
        problems += shape_problems(error, ConfigShape)
        problems += _further_problems(document, [place for place, _ in problems])
        raise ConfigError(*_spelled(document, problems)) from None  # pydantic's words are for programmers
    problems += own_problems(config)
    if problems:
        problems += _profile_problems(document, config)
    _raise(document, problems)
    return config


def _take_environment(value: dict[Any, Any], environ: Mapping[str, str]) -> None:
    for variable, (section, key) in SECRET_VARIABLES.items():
        if environ.get(variable):
            if value.get(section) is None:
                value[section] = {}
            if isinstance(value[section], dict):
                value[section][key] = environ[variable]
    if environ.get(NOTIFY_VARIABLE):
        if value.get("notify") is None:
            value["notify"] = []
        if isinstance(value["notify"], list):
            value["notify"].append({"url_file": environ[NOTIFY_VARIABLE]})


def _further_problems(document: Document, wrong: list[Place]) -> Iterator[tuple[Place, str]]:
    """What else is wrong with a configuration once the places that are known to be wrong are left out."""
    rest = _without(document.value, wrong)
    rest.setdefault("window", EXAMPLE_WINDOW)
    profile_named = isinstance(rest.setdefault("profile", ""), str) and rest["profile"]
    rest["profile"] = rest["profile"] or "none"
    try:
        sound = ConfigShape.model_validate(rest)
    except ValidationError:
        return
    faulty = {place[0] for place in wrong if place}
    yield from (each for each in own_problems(sound) if each[0][0] not in faulty)
    if profile_named:
        yield from _profile_problems(document, sound)


def _profile_problems(document: Document, sound: ConfigShape) -> Iterator[tuple[Place, str]]:
    """What is wrong with the profile, or with what the configuration wants of it."""
    from watcher.profile import load_profile  # noqa: PLC0415  see above

    if missing := list(_profile_missing(sound.profile, document.path)):
        yield from missing
        return
    try:
        profile = load_profile(_profile_reference(sound.profile, document.path))
    except ConfigError as error:
        yield from ((("profile",), problem) for problem in error.problems)
    else:
        yield from joint_problems(sound, profile)


def _without(value: Any, wrong: Iterable[Place]) -> Any:  # noqa: ANN401  what YAML can hold
    """A copy of ``value`` that lacks the places in ``wrong``."""
    here = {place[0] for place in wrong if len(place) == 1}
    deeper: dict[object, list[Place]] = {}
    for place in wrong:
        if len(place) > 1:
            deeper.setdefault(place[0], []).append(place[1:])
    if isinstance(value, dict):
        return {key: _without(each, deeper.get(key, ())) for key, each in value.items() if key not in here}
    if isinstance(value, list) and not here:  # a list that lost an item would count its items anew
        return [_without(each, deeper.get(index, ())) for index, each in enumerate(value)]
    return [] if isinstance(value, list) else value


def _profile_reference(profile: str, source: Path) -> str:
    """A path to a profile counts from the folder of the configuration; a name stays a name."""
    path = Path(profile)
    is_name = len(path.parts) == 1 and path.suffix not in {".yaml", ".yml"}
    return profile if is_name or path.is_absolute() else str(source.parent / path)


def _profile_missing(profile: str, source: Path) -> Iterator[tuple[Place, str]]:
    from watcher.profile import shipped_profiles  # noqa: PLC0415  see above

    reference = _profile_reference(profile, source)
    if reference not in shipped_profiles() and not Path(reference).is_file():
        yield ("profile",), f"{profile!r} is neither shipped nor a file; {nearest(profile, shipped_profiles())}"


def _raise(document: Document, problems: Iterable[tuple[Place, str]]) -> None:
    """Raise ConfigError if there is any problem."""
    if spelled := _spelled(document, problems):
        raise ConfigError(*spelled)


def _spelled(document: Document, problems: Iterable[tuple[Place, str]]) -> list[str]:
    """``FILE:LINE: key: words`` for every problem, in the order of the file."""
    placed = sorted(((document.line(place), place, words) for place, words in problems), key=lambda each: each[0])
    return [f"{document.path}:{line}: {spell_place(place)}: {words}" for line, place, words in placed]
