"""``/jicoo/runs``: the pages of plans and runs, in Airflow's UI and on Airflow's API server alone.

============================================== ====================================================================
``GET /``                                      the plans and applies of all DAGs that the viewer may read
``GET /{dag_id}/``                             those of one DAG
``GET /{dag}/{run}/{task}/{index}``            one of them: the plan as a table, its progress, its report
``POST /{dag}/{run}/{task}/{index}``           the same, with a search: what is searched for is in no address
``GET /{dag}/{run}/{task}/{index}/progress``   what of it changes while it runs, without the page around it
``GET /{dag}/{run}/{task}/{index}/files/...``  ``outcomes.jsonl`` and ``report.json``
``POST /{dag}/{run}/{task}/{index}/control``   pause, slow, go on, stop, undo
============================================== ====================================================================

A mounted application inherits nothing of Airflow's authorization: each route asks for it. What is not there and what
the viewer must not see are answered alike. Paths of files come from Airflow's database, never from a request.
"""

from __future__ import annotations

import logging
import secrets
import traceback
import zlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

from airflow_provider_jicoo.plugins import airflow_internals as internals
from airflow_provider_jicoo.plugins.room import controls, pages, source
from airflow_provider_jicoo.plugins.room.viewer import Viewer
from airflow_provider_jicoo.tasks.room import PREFIX

log = logging.getLogger(__name__)

FILES = {"outcomes.jsonl": "application/jsonl", "report.json": "application/json"}
LIMIT = 4096
"""Bytes of the body of a request; that of a control has fifty."""
_POLICY = (
    "default-src 'none'; style-src 'nonce-{0}'; script-src 'nonce-{0}'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'self'; base-uri 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def _viewer(user: Annotated[Any, Depends(internals.user_of_a_request())]) -> Viewer:
    return Viewer(user)


Asking = Annotated[Viewer, Depends(_viewer)]


router = APIRouter(redirect_slashes=False)


@router.get("/")
def _runs(request: Request, asking: Asking) -> Any:
    return _html(request, pages.runs(asking, None, _page(request), _root(request)))


@router.get("/{dag_id}/")
def _runs_of_a_dag(dag_id: str, request: Request, asking: Asking) -> Any:
    # Of a DAG that there is not, an auth manager may say that it may be read.
    if not asking.readable({dag_id}):
        raise HTTPException(404)
    return _html(request, pages.runs(asking, dag_id, _page(request), _root(request)))


@router.get("/{dag_id}/{run_id}/{task_id}/{index}")
def _run(dag_id: str, run_id: str, task_id: str, index: str, request: Request, asking: Asking) -> Any:
    shown = _task(asking, dag_id, run_id, task_id, index)
    asked = {name: value for name, value in request.query_params.items() if name != "q"}
    return _html(request, pages.run(shown, asked, _root(request)))


@router.post("/{dag_id}/{run_id}/{task_id}/{index}")
async def _search(dag_id: str, run_id: str, task_id: str, index: str, request: Request, asking: Asking) -> Any:
    # What is searched for may be a guest's name: it must not stand in an address, which logs and browsers keep.
    try:
        asked = dict(parse_qsl((await _body(request)).decode(errors="replace"), max_num_fields=20))
    except ValueError:  # there are more
        asked = {}
    shown = await run_in_threadpool(_task, asking, dag_id, run_id, task_id, index)
    return _html(request, await run_in_threadpool(pages.run, shown, asked, _root(request)))


@router.get("/{dag_id}/{run_id}/{task_id}/{index}/progress")
def _progress(dag_id: str, run_id: str, task_id: str, index: str, request: Request, asking: Asking) -> Any:
    shown = _task(asking, dag_id, run_id, task_id, index, files=False)
    # Its end changes more than its progress: the whole page is to be loaded.
    return _html(request, pages.progress(shown)) if shown.task.is_unfinished else _empty(205)


@router.get("/{dag_id}/{run_id}/{task_id}/{index}/files/{name}")
def _file(dag_id: str, run_id: str, task_id: str, index: str, name: str, asking: Asking) -> Any:
    shown = _task(asking, dag_id, run_id, task_id, index)
    if name not in FILES or not shown.personal or shown.source is None:
        raise HTTPException(404)
    if source.report_facts(shown.source) is None:
        raise HTTPException(404)
    try:
        content = source.stream(shown.source.report / name)
    except Exception:  # whatever the storage raises
        raise HTTPException(404) from None
    return _download(content, FILES[name], name)


@router.post("/{dag_id}/{run_id}/{task_id}/{index}/control")
async def _control(dag_id: str, run_id: str, task_id: str, index: str, request: Request, asking: Asking) -> Any:
    body = await _body(request)

    def act() -> tuple[int, str]:
        shown = _task(asking, dag_id, run_id, task_id, index)
        refused = controls.refuse_foreign(request.headers, internals.base_url())
        return (403, refused) if refused else controls.obey(shown, body)

    status, said = await run_in_threadpool(act)
    return _json(status, {"said": said})


def make_app() -> Callable[..., Awaitable[None]]:
    """Return the application."""
    app = FastAPI(title="Jicoo runs", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.include_router(router)

    def say(request: Request, error: Any) -> Any:
        return _problem(request, getattr(error, "status_code", 500), _root(request))

    # What is wrong with a request is of no page either.
    app.add_exception_handler(RequestValidationError, lambda request, error: _problem(request, 404, _root(request)))
    app.add_exception_handler(StarletteHTTPException, say)
    app.add_exception_handler(Exception, say)
    return _Guarded(app)


def _task(asking: Viewer, dag_id: str, run_id: str, task_id: str, index: str, *, files: bool = True) -> pages.Shown:
    found = pages.find(asking, dag_id, run_id, task_id, index, files=files)
    if found is None:
        raise HTTPException(404)
    return found


class _Guarded:
    """Keeps what an unforeseen error says out of answer and log: it may quote what is in a plan."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "lifespan"):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            _log(error)


def _log(error: Exception) -> None:
    at = traceback.extract_tb(error.__traceback__)[-1]
    log.error("a page of a Jicoo run failed: %s at %s:%s", type(error).__name__, at.filename, at.lineno)


async def _body(request: Any) -> bytes:
    """Return the body of a request, as far as it is looked at."""
    body = b""
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > LIMIT:
                break
    except ClientDisconnect:  # nobody waits for an answer, and nothing is wrong here
        raise HTTPException(400) from None
    return body


def _page(request: Any) -> int:
    return pages.whole_number(request.query_params.get("page"))


def _root(request: Any) -> str:
    """Return the address under which this application is, without a slash at its end."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def _html(request: Request, make: Callable[[str], Iterator[str]], status: int = 200) -> Any:
    """Return an answer that is a page.

    :param make: yields it, with the nonce that lets its style and its script in.
    """
    nonce = secrets.token_urlsafe(16)
    headers = {**_HEADERS, "Content-Security-Policy": _POLICY.format(nonce), "Vary": "Accept-Encoding"}
    content: Iterator[bytes] = (piece.encode(errors="replace") for piece in _to_its_end(make(nonce)))
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        content = _compressed(content)
    return StreamingResponse(content, status, headers, "text/html; charset=utf-8")


def _compressed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Compress a page so that each piece of it can be shown as soon as it is there.

    The Starlette of Airflow 3.1 and 3.2 does not: by its compression the head of a page would come with its end.
    """
    packer = zlib.compressobj(5, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for piece in pieces:
        yield packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()


def _to_its_end(pieces: Iterator[str]) -> Iterator[str]:
    """Yield a page; where it breaks off, its reader is told so: its status is sent by then."""
    try:
        yield from pieces
    except Exception as error:
        _log(error)
        yield f'</table><p class="note bad">{_BROKEN}</p>'


def _empty(status: int) -> Any:
    return Response(status_code=status, headers=_HEADERS)


def _json(status: int, content: Any) -> Any:
    return JSONResponse(content, status, _HEADERS)


def _download(content: Iterator[bytes], kind: str, name: str) -> Any:
    return StreamingResponse(
        content, 200, {**_HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}, f"{kind}; charset=utf-8"
    )


_BROKEN = "This page could not be made to its end. The log of Airflow's API server says what failed."
_SAID = {
    401: "Sign in to Airflow first.",
    403: "Your sign-in to Airflow is not valid any more: sign in again.",
    404: "There is no such page, or you may not see it: ask whoever manages Airflow for access to the DAG.",
    405: "This address takes no such request.",
    500: "This page could not be made. What went wrong is in the log of Airflow's API server.",
}


def _problem(request: Any, status: int, root: str) -> Any:
    said = _SAID.get(status, "This request is refused.")
    if request.method not in ("GET", "HEAD") or "x-jicoo-page" in request.headers:
        return _json(status, {"said": said})
    # Of the address that somebody asks for who is not signed in, nothing comes back: the script knows it.
    sign_in = f"{root.removesuffix(PREFIX)}/api/v2/auth/login" if status in (401, 403) else ""
    return _html(request, pages.message(said, root, sign_in), status)
