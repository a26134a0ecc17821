"""The forms that every section shares: a body checked, an answer, a refusal, and how both are documented."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, NoReturn, TypeVar

from fastapi import Query
from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel
from starlette.responses import Response

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.models import Body
from airflow_provider_jicoo.sandbox import choices
from airflow_provider_jicoo.sandbox.choices import NO_FIELD
from airflow_provider_jicoo.sandbox.faults import Answer, json_answer, refusal
from airflow_provider_jicoo.sandbox.shapes import Refused

B = TypeVar("B", bound=Body)

PageNumber = Annotated[int, Query(ge=1, alias="page")]
PerPage = Annotated[int, Query(ge=1, alias="perPage")]

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


class Refusal(Exception):
    """The request is answered with an error.

    :param status: HTTP status.
    :param errors: for each field what is wrong with it.
    """

    def __init__(self, status: int, errors: Mapping[str, list[str]]) -> None:
        super().__init__(status)
        self.status = status
        self.errors = dict(errors)


def response(answer: Answer) -> Response:
    """Turn an answer into what FastAPI passes on unseen."""
    made = Response(answer.body, answer.status)
    made.raw_headers = list(answer.headers)
    return made


def found(data: Any, *, status: int = 200, **paging: int) -> Response:
    """Answer with data."""
    return response(json_answer(status, {"data": data, "errors": {}, **paging}))


def page_of(uids: Sequence[str], page: int, per_page: int, rows: Mapping[str, Any]) -> Response:
    """Answer with one page of a list.

    :param uids: the list, in its order.
    :param rows: what is listed, by uid.
    """
    size = min(per_page, choices.MAX_PER_PAGE)
    part = [rows[uid] for uid in uids[(page - 1) * size : page * size]]
    return found(
        part,
        totalCount=len(uids),
        count=len(part),
        currentPage=page,
        numberOfPages=math.ceil(len(uids) / size),
    )


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
