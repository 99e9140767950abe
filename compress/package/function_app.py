"""Answer the HTTP requests of Azure Functions with the handler beside this file."""

from __future__ import annotations

import base64

import azure.functions as functions
import handler

app = functions.FunctionApp(http_auth_level=functions.AuthLevel.FUNCTION)


@app.route(route="predict", methods=["POST"])  # type: ignore[untyped-decorator]  # the package has no types
def predict(request: functions.HttpRequest) -> functions.HttpResponse:
    """Answer POST /predict."""
    return _answered("/predict", request)


@app.route(route="health", methods=["GET"])  # type: ignore[untyped-decorator]
def health(request: functions.HttpRequest) -> functions.HttpResponse:
    """Answer GET /health."""
    return _answered("/health", request)


def _answered(path: str, request: functions.HttpRequest) -> functions.HttpResponse:
    """Hand a request to the handler as the event of a function URL."""
    event = {
        "rawPath": path,
        "requestContext": {"http": {"method": request.method}},
        "body": base64.b64encode(request.get_body() or b"").decode("ascii"),
        "isBase64Encoded": True,
    }
    reply = handler.handler(event, None)
    return functions.HttpResponse(
        reply["body"], status_code=reply["statusCode"], headers=reply["headers"]
    )
