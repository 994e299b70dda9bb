"""Where the cluster is and who we are there: the pod's service account, or a kubeconfig.

Everything is read anew on every ``load``, so that rotated tokens, certificates, CAs and exec plugins take effect; the
client library alone would read most of them once.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import incluster_config, kube_config
from kubernetes.aio.config.config_exception import ConfigException

from watcher.errors import ConfigError

# What a kubeconfig that is not one makes the library raise.
_UNUSABLE = (ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, KeyError, AttributeError)

# The library says that it is typed; these are not.
_load_service_account: Any = incluster_config.load_incluster_config
_load_kubeconfig: Any = kube_config.load_kube_config

SERVICE_HOST = "KUBERNETES_SERVICE_HOST"


async def load(kubeconfig: Path | None, context: str | None) -> Configuration:
    """The configuration of the client, fresh from the files.

    With neither ``kubeconfig`` nor ``context`` the service account of the pod is used if there is one, else
    ``$KUBECONFIG``, else ``~/.kube/config``. ConfigError where none can be used.
    """
    if kubeconfig is None and context is None and in_cluster():
        return _service_account()
    return await _kubeconfig(_paths(kubeconfig), context)


def in_cluster() -> bool:
    """Whether we run in a pod that was given a service account."""
    return bool(os.environ.get(SERVICE_HOST)) and Path(incluster_config.SERVICE_TOKEN_FILENAME).is_file()


def _service_account() -> Configuration:
    configuration = Configuration()
    try:
        _load_service_account(configuration)
    except (ConfigException, OSError) as error:
        place = Path(incluster_config.SERVICE_TOKEN_FILENAME).parent
        raise ConfigError(f"{place}: the service account cannot be used ({error}); mount its token and CA") from error
    reread: Any = configuration.refresh_api_key_hook  # reads the token once a minute, and takes our place here

    def refresh(client: Any) -> None:  # noqa: ANN401 - the library's Configuration, less typed than it says
        reread(client)
        client.refresh_api_key_hook = refresh
        _clean_token(client)

    refresh(configuration)
    return configuration


def _clean_token(configuration: Configuration) -> None:
    """A hand-made token file ends in a newline, which a header must not; and the scheme is spelt as everybody does."""
    keys: dict[str, Any] = configuration.api_key
    if "BearerToken" in keys:
        scheme, _, token = str(keys["BearerToken"]).strip().partition(" ")
        keys["BearerToken"] = f"{scheme.capitalize()} {token.strip()}"


def _paths(kubeconfig: Path | None) -> list[Path]:
    if kubeconfig is not None:
        return [kubeconfig]
    named = [name for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    return [Path(name).expanduser() for name in named] or [Path.home() / ".kube" / "config"]


async def _kubeconfig(paths: list[Path], context: str | None) -> Configuration:
    where = os.pathsep.join(map(str, paths))
    if not any(path.is_file() for path in paths):
        raise ConfigError(
            f"{where}: no such kubeconfig, and no service account of a pod; name one as logs.kubeconfig or $KUBECONFIG"
        )
    configuration = Configuration()
    try:
        loader = await _load_kubeconfig(where, context, configuration, persist_config=False)
    except _UNUSABLE as error:
        wanted = f" with context {context!r}" if context else ""
        cause = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, (TypeError, AttributeError, KeyError)):
            cause = "it does not have the form of one"  # the library's words are about Python
        raise ConfigError(
            f"{where}: cannot be used as a kubeconfig{wanted} ({cause}); see kubectl config view"
        ) from error
    _clean_token(configuration)
    _refuse_anonymous(where, configuration, loader)
    return configuration


def _refuse_anonymous(where: str, configuration: Configuration, loader: Any) -> None:  # noqa: ANN401  untyped there
    """The library logs that an exec plugin failed and goes on as nobody; the API would answer 401 for ever."""
    user = getattr(loader, "_user", None) or {}
    known = configuration.api_key or configuration.cert_file or configuration.username
    if "exec" in user and not known:
        command = user["exec"]["command"]
        raise ConfigError(f"{where}: the exec plugin {command!r} gave no credentials; run it by hand to see why")
