"""The payments API: HTTP and JSON ↔ PaymentService."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from services.gateway.body import read_body
from services.gateway.headers import declared_length
from services.gateway.problems import Problem, ProblemError, invalid
from tenrusl.api.common.v1.common_pb2 import Payment, PaymentStatus
from tenrusl.api.processor.v1 import payment_pb2
from tenrusl.api.processor.v1.payment_pb2_grpc import PaymentServiceStub
from tenrusl.errors import FieldViolation, Reason
from tenrusl.providers.body import MalformedWebhookError, parse_json
from tenrusl.rpc.context import outgoing_metadata

# A request has less than 2 KiB. Bodies that are still coming are held in memory, those of webhooks up to a total.
MAX_BODY_BYTES = 64 * 1024

_TEXT_FIELDS = ("provider", "payment_ref", "currency", "merchant_ref")
_MAX_INT64 = 2**63 - 1
_MAX_INT32 = 2**31 - 1
_MAX_DIGITS = 20
_PREFIX = "PAYMENT_STATUS_"
PAYMENT_STATUSES = {name.removeprefix(_PREFIX).lower(): name for name, number in PaymentStatus.items() if number}


class PaymentsApi:
    """The four routes. Ranges and formats are the processor's to judge; here only JSON types are.

    Errors: ProblemError for requests that cannot be translated, AioRpcError as the processor gives it, and those of
    `read_body`.
    """

    def __init__(
        self, stub: PaymentServiceStub, *, timeout_seconds: float, max_body_bytes: int, body_timeout_seconds: float
    ) -> None:
        self._stub: Any = stub  # protoc writes no types for the methods
        self._timeout_seconds = timeout_seconds
        self._max_body_bytes = min(max_body_bytes, MAX_BODY_BYTES)
        self._body_timeout_seconds = body_timeout_seconds

    def routes(self) -> list[Route]:
        """A reference may hold slashes (invoice numbers often do), so it takes all but the last segment."""
        return [
            Route("/api/v1/payments", self.create_payment, methods=["POST"]),
            Route("/api/v1/payments", self.list_payments, methods=["GET"]),
            Route("/api/v1/payments/{payment_id}", self.get_payment, methods=["GET"]),
            Route("/api/v1/payments/{provider}/{ref:path}/status", self.get_payment_status, methods=["GET"]),
        ]

    async def create_payment(self, request: Request) -> JSONResponse:
        """POST /api/v1/payments."""
        key = _idempotency_key(request)
        message = _create_request(await self._json_object(request), key)
        response = await self._call(self._stub.CreatePayment, message)
        headers = {"Location": f"/api/v1/payments/{response.payment.id}"}
        if response.replayed:
            headers["Idempotency-Replayed"] = "true"
        return JSONResponse(payment_json(response.payment), status_code=HTTPStatus.CREATED, headers=headers)

    async def list_payments(self, request: Request) -> JSONResponse:
        """GET /api/v1/payments."""
        query = request.query_params
        message = payment_pb2.ListPaymentsRequest(
            page_size=read_page_size(query.get("page_size", "")),
            page_token=query.get("page_token", ""),
            provider=query.get("provider", ""),
            status=read_word("status", query.get("status", ""), PAYMENT_STATUSES),
        )
        response = await self._call(self._stub.ListPayments, message)
        payments = [payment_json(payment) for payment in response.payments]
        return JSONResponse({"payments": payments, "next_page_token": response.next_page_token})

    async def get_payment(self, request: Request) -> JSONResponse:
        """GET /api/v1/payments/{payment_id}."""
        message = payment_pb2.GetPaymentRequest(payment_id=request.path_params["payment_id"])
        response = await self._call(self._stub.GetPayment, message)
        return JSONResponse(payment_json(response.payment))

    async def get_payment_status(self, request: Request) -> JSONResponse:
        """GET /api/v1/payments/{provider}/{ref}/status."""
        message = payment_pb2.GetPaymentByReferenceRequest(
            provider=request.path_params["provider"], reference=request.path_params["ref"]
        )
        response = await self._call(self._stub.GetPaymentByReference, message)
        payment = payment_json(response.payment)
        return JSONResponse({name: payment[name] for name in _STATUS_FIELDS})

    async def _call(self, method: Any, message: Any) -> Any:
        return await method(message, timeout=self._timeout_seconds, metadata=outgoing_metadata())

    async def _json_object(self, request: Request) -> dict[str, Any]:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise ProblemError(
                Problem(
                    status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                    detail="the content type must be application/json",
                    reason=Reason.CONTENT_TYPE_UNSUPPORTED,
                )
            )
        body = await read_body(
            request.receive,
            declared_length(request.scope["headers"]),
            max_bytes=self._max_body_bytes,
            timeout_seconds=self._body_timeout_seconds,
        )
        try:
            document = parse_json(body)
        except MalformedWebhookError as exc:
            raise ProblemError(
                Problem(status=HTTPStatus.BAD_REQUEST, detail="the body is not valid JSON", reason=exc.reason)
            ) from exc
        if not isinstance(document, dict):
            raise ProblemError(invalid(FieldViolation("body", "must be a JSON object")))
        return document


_STATUS_FIELDS = ("id", "provider", "payment_ref", "status", "update_time")


def _idempotency_key(request: Request) -> str:
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1 or "" in keys:
        raise ProblemError(invalid(FieldViolation("Idempotency-Key", "must stand once and not be empty")))
    return keys[0] if keys else ""


def _create_request(document: Mapping[str, Any], idempotency_key: str) -> payment_pb2.CreatePaymentRequest:
    problems = [
        FieldViolation(name, "must be a text") for name in _TEXT_FIELDS if not isinstance(document.get(name, ""), str)
    ]
    amount_minor = document.get("amount_minor")
    if type(amount_minor) is not int or abs(amount_minor) > _MAX_INT64:
        problems.append(FieldViolation("amount_minor", "must be a whole number of minor units"))
    unknown = document.keys() - {"amount_minor", *_TEXT_FIELDS}
    problems += [FieldViolation(name[:64], "is not a field of this request") for name in sorted(unknown)]
    if problems:
        raise ProblemError(invalid(*problems))
    texts = {name: document[name] for name in _TEXT_FIELDS if name in document}
    return payment_pb2.CreatePaymentRequest(amount_minor=amount_minor, idempotency_key=idempotency_key, **texts)


def read_page_size(text: str) -> int:
    """page_size, 0 when it is empty. Raises ProblemError."""
    if not text:
        return 0
    # A number of any length would cost more to read than it is worth.
    if not (text.isascii() and text.isdigit()) or len(text) > _MAX_DIGITS or int(text) > _MAX_INT32:
        raise ProblemError(invalid(FieldViolation("page_size", "must be a whole number")))
    return int(text)


def read_word(field: str, text: str, names: Mapping[str, str]) -> str | None:
    """The name in the proto of an enumeration's word, None when it is empty. Raises ProblemError."""
    if text and text not in names:
        raise ProblemError(invalid(FieldViolation(field, f"must be one of {', '.join(names)}")))
    return names.get(text)


def payment_json(payment: Payment) -> dict[str, Any]:
    """A payment."""
    return {
        "id": payment.id,
        "provider": payment.provider,
        "payment_ref": payment.payment_ref,
        "merchant_ref": payment.merchant_ref or None,
        "provider_ref": payment.provider_ref or None,
        "status": PaymentStatus.Name(payment.status).removeprefix(_PREFIX).lower(),
        "amount_minor": payment.amount_minor if payment.HasField("amount_minor") else None,
        "currency": payment.currency or None,
        "create_time": payment.create_time.ToJsonString(),
        "update_time": payment.update_time.ToJsonString(),
    }
