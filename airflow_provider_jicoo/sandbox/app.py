"""The FastAPI app: the sections' endpoints, errors in Jicoo's form, and an OpenAPI document that tells the truth."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import FastAPI, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.responses import Response

from airflow_provider_jicoo.sandbox import availability, bookings, event_types, organization, schedules
from airflow_provider_jicoo.sandbox.answers import found, refused
from airflow_provider_jicoo.sandbox.choices import NO_FIELD
from airflow_provider_jicoo.sandbox.faults import Refusal
from airflow_provider_jicoo.sandbox.shapes import Refused
from airflow_provider_jicoo.sandbox.state import State

# A further section of the API is one more module here.
SECTIONS = (bookings, event_types, schedules, availability, organization)

Mode = Literal["validation", "serialization"]
REF = "#/components/schemas/{model}"


def make(state: State) -> FastAPI:
    """Make the app. It asks for no key: the edge has done so."""
    # auto_error=False: the scheme is here for the document.
    key = Security(APIKeyHeader(name="X-Jicoo-Api-Key", auto_error=False))
    app = FastAPI(title="Jicoo (sandbox)", version="1", dependencies=[key], redirect_slashes=False)
    for section in SECTIONS:
        app.include_router(section.routes(state))

    @app.exception_handler(Refusal)
    async def refusal(_: Request, error: Refusal) -> Response:
        return refused(error.status, error.errors)

    @app.exception_handler(RequestValidationError)
    async def bad_query(_: Request, error: RequestValidationError) -> Response:
        return refused(400, {str(fault["loc"][-1]): [fault["msg"]] for fault in error.errors()})

    @app.exception_handler(HTTPException)
    async def no_route(request: Request, error: HTTPException) -> Response:
        answer = refused(error.status_code, {NO_FIELD: [error.detail]})
        if error.status_code == 405:
            # Starlette's own Allow names the methods of the first endpoint with this path only.
            routes = [route for route in app.routes if isinstance(route, APIRoute)]
            fitting = [route.methods for route in routes if route.path_regex.match(request.url.path)]
            answer.headers["Allow"] = ", ".join(sorted(set().union(*fitting)))
        return answer

    _approval(app, state)
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(made())
        return made()

    app.openapi = openapi  # type: ignore[method-assign]
    return app


def _approval(app: FastAPI, state: State) -> None:
    @app.post("/sandbox/approve/{uid}", include_in_schema=False)
    async def approve(uid: str) -> Response:
        """No endpoint of Jicoo's: there a host approves on the website."""
        try:
            return found(state, bookings.approve(state, uid))
        except KeyError:
            return refused(404, {NO_FIELD: ["There is no such booking."]})
        except ValueError as error:
            return refused(422, {"status": [str(error)]})


def _complete(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    # FastAPI's own forms of an error, which is sent nowhere here.
    del schemas["HTTPValidationError"], schemas["ValidationError"]
    for path in document["paths"].values():
        for operation in path.values():
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
    # What FastAPI does not know: the endpoints read their bodies themselves, since 400 is not 422 to Jicoo.
    bodies: list[tuple[type[BaseModel], Mode]] = [(kind, "validation") for one in SECTIONS for kind in one.BODIES]
    answers: list[tuple[type[BaseModel], Mode]] = [(kind, "serialization") for one in SECTIONS for kind in one.ANSWERS]
    _, known = models_json_schema([*bodies, *answers, (Refused, "serialization")], ref_template=REF)
    for name, schema in known["$defs"].items():
        for field in schema.get("properties", {}).values():
            # Only the models' mark for "not given"; over the wire null is refused there.
            if field.get("default", ...) is None:
                del field["default"]
        schemas[name] = schema
