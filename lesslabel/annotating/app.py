"""The server's routes: thin, each hands on to the desk."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from lesslabel import __version__
from lesslabel.annotating.case_session import CaseSession
from lesslabel.annotating.desk import Desk, UnknownCaseError
from lesslabel.annotating.finishing import EmptyError, UnseenError
from lesslabel.annotating.leases import LeasedError, OtherTabError
from lesslabel.annotating.note import Note
from lesslabel.annotating.requests import Body, FinishBody, NumberBody, OpenBody, SkipBody, TurnBody
from lesslabel.annotating.wire import image_bytes
from lesslabel.errors import LesslabelError

STATIC = Path(__file__).with_name("static")
"""The built page."""
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
_STATUS: dict[type[LesslabelError], int] = {UnknownCaseError: 404, LeasedError: 409, EmptyError: 428}
"""Of errors; all others are 422, but for a disk that refuses."""
_NO_ROOM = 507
_REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""Of a disk: the same message may be answered later, so that the page keeps what it sent."""
_KINDS: dict[type[LesslabelError], str] = {OtherTabError: "other tab", UnseenError: "unseen"}
"""Of errors to which the page offers an answer."""

Key = Annotated[str, PathParameter(pattern=r"^case_[0-9a-f]{12}$")]


def _author(request: Request) -> str:
    """Whose token the request brought; see `Guard`."""
    return str(request.scope["author"])


Author = Annotated[str, Depends(_author)]
Without = Annotated[list[str], Query(default_factory=list)]


def make_app(desk: Desk, static: Path = STATIC) -> FastAPI:
    """Make the application, without its guard (`lesslabel.annotating.security.Guard`).

    Args:
        desk: the state.
        static: folder of the built page.
    """
    # docs pages would load scripts from elsewhere
    app = FastAPI(
        title="lesslabel annotate", version=__version__, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json"
    )
    _answer_errors(app)
    _serve_page(app, static)
    _serve_queue(app, desk)
    _serve_cases(app, desk)
    return app


def _answer_errors(app: FastAPI) -> None:
    @app.exception_handler(LesslabelError)
    def _refused(_request: Request, error: LesslabelError) -> JSONResponse:
        kind = {"kind": _KINDS[type(error)]} if type(error) in _KINDS else {}
        return JSONResponse({"error": str(error), **kind}, _status_of(error))

    @app.exception_handler(Exception)
    def _failed(_request: Request, error: Exception) -> JSONResponse:
        first = (str(error).splitlines() or [""])[0][:200]
        text = f"{type(error).__name__}: {first}; nothing was changed, try again; the terminal shows where"
        return JSONResponse({"error": text}, 500)

    @app.exception_handler(RequestValidationError)
    def _misunderstood(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body")
        return JSONResponse({"error": f"{where or 'body'}: {first['msg']}"}, 422)

    @app.exception_handler(HTTPException)
    def _absent(_request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": str(error.detail)}, error.status_code)


def _status_of(error: LesslabelError) -> int:
    if isinstance(error.__cause__, OSError) and error.__cause__.errno in _REFUSALS:
        return _NO_ROOM
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 422)


def _serve_page(app: FastAPI, static: Path) -> None:
    def send(name: str) -> Response:
        path = static / name
        return Response(path.read_bytes(), media_type=_TYPES[path.suffix])

    @app.get("/", include_in_schema=False)
    def _page() -> Response:
        return send("index.html")

    @app.get("/page.js", include_in_schema=False)
    def _script() -> Response:
        return send("page.js")

    @app.get("/page.css", include_in_schema=False)
    def _style() -> Response:
        return send("page.css")

    @app.get("/favicon.ico", include_in_schema=False)
    def _no_icon() -> Response:
        return Response(status_code=204)


def _serve_queue(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/desk")
    def _overview(author: Author) -> dict[str, Any]:
        """The queue, the labels, the model."""
        return desk.overview(author)

    @app.get("/api/next")
    def _next(author: Author, without: Without) -> dict[str, str | None]:
        """The first case that waits for this author, without those that the page could not open."""
        return {"key": desk.next_key(author, without)}


def _serve_cases(app: FastAPI, desk: Desk) -> None:
    @app.post("/api/cases/{key}/open")
    def _open(key: Key, body: OpenBody, author: Author) -> dict[str, Any]:
        """Take the lease of a case, and get all of it but its image."""
        return desk.open(author, body.tab, key, from_other_tab=body.take_over)

    @app.get("/api/cases/{key}/image")
    def _image(key: Key, author: Author) -> Response:
        """The image as NIfTI."""
        return Response(image_bytes(desk.case(author, key)), media_type="application/octet-stream")

    @app.get("/api/cases/{key}/uncertainty")
    def _uncertainty(key: Key, label: int, axis: int, index: int, author: Author) -> dict[str, Any]:
        """How uncertain the model's last answer on a label was on a slice."""
        return {"uncertainty": desk.uncertainty(author, key, label, axis, index)}

    @app.post("/api/cases/{key}/turns")
    def _turn(key: Key, body: TurnBody, author: Author) -> dict[str, Any]:
        """Take a turn; answers what it changed."""
        return _change(desk, author, key, body, lambda session, note: session.take(body.turn, note))

    @app.post("/api/cases/{key}/remove")
    def _remove(key: Key, body: NumberBody, author: Author) -> dict[str, Any]:
        """Take a turn back, whichever."""
        return _change(desk, author, key, body, lambda session, note: session.remove(body.number, note))

    @app.post("/api/cases/{key}/restore")
    def _restore(key: Key, body: NumberBody, author: Author) -> dict[str, Any]:
        """Give a turn that was taken back again."""
        return _change(desk, author, key, body, lambda session, note: session.restore(body.number, note))

    @app.post("/api/cases/{key}/look")
    def _look(key: Key, body: Body, author: Author) -> dict[str, Any]:
        """Tell what was looked at, and keep the lease."""

        def look(session: CaseSession, note: Note) -> dict[str, Any]:
            session.look(note)
            return {"revision": session.revision}

        return _change(desk, author, key, body, look)

    @app.post("/api/cases/{key}/finish")
    def _finish(key: Key, body: FinishBody, author: Author) -> dict[str, Any]:
        """Bring the case into the store."""
        note = body.note(desk.shape_of(key))
        name = desk.finish(author, body.tab, key, note, allow_empty=body.nothing_to_mark)
        return {"annotation": name}

    @app.post("/api/cases/{key}/skip")
    def _skip(key: Key, body: SkipBody, author: Author) -> dict[str, Any]:
        """Leave the case out, with a reason."""
        desk.skip(author, body.tab, key, body.reason, body.note(desk.shape_of(key)))
        return {}

    @app.post("/api/cases/{key}/close")
    def _close(key: Key, body: Body, author: Author) -> dict[str, Any]:
        """Give the case back; what was drawn is kept, and what was looked at since the last message."""
        desk.close(author, body.tab, key, body.note(desk.shape_of(key)))
        return {}


def _change(
    desk: Desk, author: str, key: str, body: Body, change: Callable[[CaseSession, Note], dict[str, Any]]
) -> dict[str, Any]:
    """Do something to a case once, however often it is asked for."""
    with desk.at_work(author, body.tab, key) as session:
        note = body.note(session.case.shape)
        if session.done_already(note):
            return {"again": True, **session.whole()}
        return change(session, note)
