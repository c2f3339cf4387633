"""Hooks for Gunicorn: recording in every worker, and the time of every request under `path [METHOD]`.

    # gunicorn.conf.py
    from mayfly_telemetry.gunicorn import hooks

    post_fork, worker_exit, pre_request, post_request = hooks()
"""

from __future__ import annotations

import os
import re
from typing import Any, Callable, Dict, NamedTuple, Optional, Set

from . import is_running, start, start_duration, stop, stop_duration
from ._files import OTHER

NO_ROUTE = "(no route)"
#: Other methods are a matter of who asks, and may be any word.
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
#: So many paths keep labels of their own where no route function is given.
MOST_PATHS = 100
IDENTIFIER = re.compile(r"[^/]*\d[^/]*")

Route = Callable[[Any, Dict[str, Any]], Optional[str]]


class Hooks(NamedTuple):
    """The hooks by the names that Gunicorn gives them."""

    post_fork: Callable[[Any, Any], None]
    worker_exit: Callable[[Any, Any], None]
    pre_request: Callable[[Any, Any], None]
    post_request: Callable[[Any, Any, Dict[str, Any], Any], None]


def hooks(route: Optional[Route] = None, **options: Any) -> Hooks:
    """Makes the hooks. `options` are those of start().

    route: of a request of Gunicorn and its WSGI environ the pattern of the route, such as `/orders/:id`; None where it
    has none, which is recorded as `(no route)`. There must be few of them: never the raw path. Without it the path is
    taken, with `:id` for each part that holds a digit; after 100 such paths the rest are `(other)`, and answers 404
    and 405 are `(no route)`.
    """
    paths: Set[str] = set()

    def path_of(request: Any, response: Any) -> str:
        if str(getattr(response, "status", ""))[:3] in ("404", "405"):
            return NO_ROUTE
        path = IDENTIFIER.sub(":id", request.path or "/")
        if path not in paths:
            if len(paths) >= MOST_PATHS:
                return OTHER
            paths.add(path)
        return path

    def post_fork(server: Any, worker: Any) -> None:
        if not is_running():  # in a child of a master that records it runs already
            start(**options)

    def worker_exit(server: Any, worker: Any) -> None:
        if worker.pid == os.getpid():  # Gunicorn calls it in the master, too, of a worker that is gone
            stop()

    def pre_request(worker: Any, request: Any) -> None:
        request.mayfly_id = start_duration()

    def post_request(worker: Any, request: Any, environ: Dict[str, Any], response: Any) -> None:
        id = getattr(request, "mayfly_id", 0)
        if not id:
            return
        method = request.method if request.method in METHODS else OTHER
        path = route(request, environ) if route else path_of(request, response)
        stop_duration(f"{path or NO_ROUTE} [{method}]", id)

    return Hooks(post_fork, worker_exit, pre_request, post_request)
