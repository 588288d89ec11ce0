"""Signs calls of Amazon Bedrock with the credentials that AWS's own tools would find."""

import asyncio
from typing import Any

from mmflow.plugin import CallError, OptionError, Secret


class Signer:
    """Signature version 4, by botocore: from the environment, a profile, single sign-on, or the role of the machine.

    Raises `OptionError` where botocore is not installed.
    """

    def __init__(self, region: str, profile: str | None) -> None:
        try:
            from botocore.session import Session
        except ImportError:
            install = "set AWS_BEARER_TOKEN_BEDROCK to a key of Bedrock, or `pip install 'mmflow[bedrock]'`"
            raise OptionError("key", "without a key, calls are signed, which needs botocore", install) from None
        self._region = region
        self._session: Any = Session(profile=profile)
        self._credentials: Any = None

    async def signed(self, url: str, data: bytes) -> tuple[dict[str, str], tuple[Secret, ...]]:
        """The headers that sign a call, and the secrets behind them. `CallError` where there are no credentials."""
        # They may stand in files, or be asked of a service.
        return await asyncio.to_thread(self._signed, url, data)

    def _signed(self, url: str, data: bytes) -> tuple[dict[str, str], tuple[Secret, ...]]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError

        try:
            self._credentials = self._credentials or self._session.get_credentials()
            frozen = self._credentials.get_frozen_credentials() if self._credentials else None
        except BotoCoreError as error:
            raise _refused(f"AWS credentials cannot be had: {type(error).__name__}") from None
        if frozen is None:
            raise _refused("there are no AWS credentials")
        request = AWSRequest("POST", url, headers={"Content-Type": "application/json"}, data=data)
        SigV4Auth(frozen, "bedrock", self._region).add_auth(request)
        headers = {name: value for name, value in request.headers.items() if name != "Content-Type"}
        named = (("AWS_SECRET_ACCESS_KEY", frozen.secret_key), ("AWS_SESSION_TOKEN", frozen.token))
        return headers, tuple(Secret(name, value) for name, value in named if value)


def _refused(message: str) -> CallError:
    return CallError("auth", message, dispatched="no", help="set AWS_BEARER_TOKEN_BEDROCK, AWS_ACCESS_KEY_ID or AWS_PROFILE")
