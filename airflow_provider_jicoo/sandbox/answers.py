"""The forms that every section shares: a body checked, an answer, a refusal, and how both are documented."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, NoReturn, TypeVar

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel
from starlette.responses import Response

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.models import Body
from airflow_provider_jicoo.sandbox import choices, damage
from airflow_provider_jicoo.sandbox.choices import NO_FIELD
from airflow_provider_jicoo.sandbox.data import Row
from airflow_provider_jicoo.sandbox.faults import Answer, Refusal, json_answer, refusal
from airflow_provider_jicoo.sandbox.quirks.quirk import Page
from airflow_provider_jicoo.sandbox.shapes import Refused
from airflow_provider_jicoo.sandbox.state import State

B = TypeVar("B", bound=Body)

_NOTHING: Mapping[str, Any] = {}

# The library that reads times forgives more than a wire format should.
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)

_MEANINGS = {
    400: "The query or the body cannot be read.",
    401: "No valid API key.",
    403: "The API key does not have permission.",
    404: "There is no such thing.",
    422: "The body can be read but not followed.",
    429: "Too many requests.",
    500: "The server had a problem.",
    502: "The server had a problem.",
    503: "The server had a problem.",
    504: "The server had a problem.",
}


@dataclass(frozen=True)
class Paging:
    """Which page of which list a request wants.

    :param name: the list: the last part of its path.
    :param number: which page.
    :param is_numbered: whether the request said which.
    :param size: rows on a page.
    """

    name: str
    number: int
    is_numbered: bool
    size: int


# A coroutine: FastAPI would call anything else in a thread.
async def _paging(
    request: Request,
    # Checked in page_of: it is a quirk where the first page is 0.
    page: Annotated[int, Query(json_schema_extra={"minimum": 1})] = 1,
    per_page: Annotated[int, Query(ge=1, alias="perPage")] = choices.PER_PAGE,
) -> Paging:
    return Paging(request.url.path.rpartition("/")[2], page, "page" in request.query_params, per_page)


Wanted = Annotated[Paging, Depends(_paging)]


def response(answer: Answer) -> Response:
    """Turn an answer into what FastAPI passes on unseen."""
    made = Response(answer.body, answer.status)
    made.raw_headers = list(answer.headers)
    return made


def found(
    state: State, data: Row | list[Row] | None, *, status: int = 200, beside: Mapping[str, Any] = _NOTHING
) -> Response:
    """Answer with data.

    :param data: a row, or several.
    :param beside: what stands beside it.
    """
    shown = [state.shown(row) for row in data] if isinstance(data, list) else data and state.shown(data)
    content = state.quirks.envelope({"data": shown, "errors": {}, **beside})
    return response(damage.sent(json_answer(status, content)))


def page_of(state: State, wanted: Paging, uids: Sequence[str], rows: Mapping[str, Row]) -> Response:
    """Answer with one page of a list.

    :param uids: the list, in its order.
    :param rows: what is listed, by uid.
    :raises Refusal: there cannot be such a page.
    """
    page = Page(
        name=wanted.name,
        uids=uids,
        number=wanted.number,
        rows_of=wanted.number,
        is_numbered=wanted.is_numbered,
        asked=wanted.size,
        size=min(wanted.size, choices.MAX_PER_PAGE),
        total=len(uids),
    )
    state.quirks.cut(page)
    if page.number < 1:
        raise Refusal(400, {"page": ["must be at least 1"]})
    part = [rows[uid] for uid in page.uids[(page.rows_of - 1) * page.size : page.rows_of * page.size]]
    told = {
        "totalCount": page.total,
        "count": len(part),
        "currentPage": page.number,
        "numberOfPages": math.ceil(page.total / page.size),
    }
    return found(state, part, beside=state.quirks.tell(told, page))


def gone() -> Response:
    """Answer that something was removed: 204, with nothing in it."""
    return response(Answer(204, (), b""))


def refused(status: int, errors: Mapping[str, list[str]]) -> Response:
    """Answer with an error."""
    return response(refusal(status, dict(errors)))


def _json_of(kind: type[BaseModel]) -> dict[str, Any]:
    # By name, and not as FastAPI's "model": it would build a validator for each of the hundred, in every test anew.
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}


def documented(ok: type[BaseModel] | None, *statuses: int, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Return FastAPI's ``responses`` of an endpoint: the good answer, its own errors, and those of every endpoint.

    :param ok: form of the good answer; None for :func:`gone`.
    """
    errors = sorted({401, 403, 429, 500, 502, 503, 504, *statuses})
    done = {"description": "Done."} if ok is None else {"content": _json_of(ok), "description": "Done."}
    return {
        (204 if ok is None else status): done,
        **{code: {"content": _json_of(Refused), "description": _MEANINGS[code]} for code in errors},
    }


def takes(kind: type[Body], *, required: bool = True) -> dict[str, Any]:
    """Return FastAPI's ``openapi_extra`` of an endpoint with this body."""
    return {"requestBody": {"required": required, "content": _json_of(kind)}}


def parsed(kind: type[B], raw: bytes) -> B:
    """Check a body as it came over the wire.

    :raises Refusal: 400 for what is not JSON, 422 for what ``kind`` does not allow.
    """
    try:
        value = json.loads(raw, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Refusal(400, {NO_FIELD: ["The body is not JSON."]}) from None
    if not isinstance(value, dict):
        raise Refusal(422, {NO_FIELD: ["The body must be a JSON object."]})
    errors: dict[str, list[str]] = {}
    # Body reads a wall clock with the timeZone beside it; over the wire only a moment is right.
    for name in map(to_camel, kind.moments):
        if value.get(name) is not None:
            try:
                day = times.day(value[name]) if kind.takes_days else None
                if (day or moment(value[name])).year < choices.FIRST_YEAR:
                    errors[name] = [f"is before {choices.FIRST_YEAR}"]
            except ValueError as error:
                errors[name] = [str(error)]
    if not errors:
        try:
            return kind.model_validate(value, by_alias=True, by_name=False)
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_input=False):
                where = ".".join(map(str, fault["loc"])) or NO_FIELD
                errors.setdefault(where, []).append(fault["msg"])
    raise Refusal(422, errors)


def queried(name: str, value: str) -> datetime:
    """Read a time in a query.

    :raises Refusal: it is none.
    """
    try:
        return moment(value)
    except ValueError as error:
        raise Refusal(400, {name: [str(error)]}) from None


def moment(value: Any) -> datetime:
    """Read a time as it came over the wire.

    :raises ValueError: not ISO 8601 with an offset.
    """
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError("must be ISO 8601 with an offset, as 2024-03-01T20:00:00.000Z")
    try:
        return times.moment(value)
    except OverflowError:
        raise ValueError("is out of range") from None


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
