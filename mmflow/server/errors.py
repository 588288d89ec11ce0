"""What the gateway refuses, apart from the form in which a caller's library expects to read it."""

from typing import Literal

Kind = Literal[
    "invalid_request", "authentication", "permission", "not_found", "method", "conflict", "too_large", "rate_limit",
    "quota", "timeout", "overloaded", "upstream", "unavailable", "internal",
]  # fmt: skip
"""`quota`: the money is spent, no retry helps; `upstream` is a provider's failure, `unavailable` the gateway's own."""

STATUS: dict[Kind, int] = {
    "invalid_request": 400,
    "authentication": 401,
    "quota": 402,
    "permission": 403,
    "not_found": 404,
    "method": 405,
    "conflict": 409,
    "too_large": 413,
    "rate_limit": 429,
    "internal": 500,
    "upstream": 502,
    "unavailable": 503,
    "overloaded": 503,
    "timeout": 504,
}


class ApiError(Exception):
    """A request that gets no answer: `message` says what is wrong and what to do, and holds no secret.

    `code` is a word for programs (`context_length_exceeded`, `unknown_flow`), `param` the field that is wrong. `retry_after_s`
    is how long to wait; `should_retry` tells the callers' libraries, which try again by themselves, whether that can help.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
        should_retry: bool = False,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s
        self.should_retry = should_retry
        self.status = STATUS[kind] if status is None else status
