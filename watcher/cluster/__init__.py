"""Follows the log of one container of a deployment through the Kubernetes API; the only room that knows its client.

``source.py`` is the way in. ``follower.py`` decides what to read next, ``connection.py`` reads one answer and watches
over it, ``life.py`` is what is known of the life of the container, ``telling.py`` what was told of it. ``finder.py``
and ``pods.py`` read API objects; ``transport.py`` and ``login.py`` speak HTTP through the client library, of which
``library.py`` keeps all but the used parts from being loaded.
"""

from watcher.cluster import library  # noqa: F401  before anything of the client is loaded
from watcher.cluster.rhythm import Rhythm
from watcher.cluster.source import KubernetesSource

__all__ = ["KubernetesSource", "Rhythm"]
