"""`azure_openai`: OpenAI's models in Azure.

From `lib/azure.py` of OpenAI's Python client 3.54 (November 2026) and Microsoft's page on the life of API versions (August
2025). A model's `id` is the name of its deployment. Without an `api_version` the calls go to the `v1` API, which needs none.
"""

from collections.abc import Iterable, Mapping
from typing import Literal
from urllib.parse import quote

import attrs

from mmflow.plugin import Host, Provider, ProviderWord, Secret, hook, option, options
from mmflow_plugins.providers.chat_completions import ChatCompletions
from mmflow_plugins.providers.openai import OPENAI
from mmflow_plugins.providers.responses import Responses
from mmflow_plugins.providers.wire import header_names, server_url

_KEY_HEADER = "api-key"
_REQUEST_IDS = ("apim-request-id", "x-request-id")
_DIALECT = attrs.evolve(OPENAI, key_header=_KEY_HEADER, request_ids=_REQUEST_IDS)


@options
class AzureOpenaiOptions:
    """The resource, and its key."""

    url: str = option(
        doc="The endpoint of the resource: `https://NAME.openai.azure.com`.", env="AZURE_OPENAI_ENDPOINT", check=server_url
    )
    key: Secret = option(doc="A key of the resource.", env="AZURE_OPENAI_API_KEY")
    api_version: str | None = option(
        None, doc="A dated version of the API, such as `2024-10-21`; the `v1` API without one.", env="OPENAI_API_VERSION"
    )
    api: Literal["chat_completions", "responses"] = option(
        "chat_completions", doc="Which of its two protocols is spoken; `responses` asks Azure to store nothing."
    )
    headers: Mapping[str, str] | None = option(None, doc="Headers to send with every call, `_` for `-`: `x_team`.")


def make(options: AzureOpenaiOptions, host: Host) -> Provider:
    """The provider."""
    root = options.url.rstrip("/").removesuffix("/v1").removesuffix("/openai") + "/openai"
    headers = header_names(options.headers)
    base = f"{root}/v1" if options.api_version is None else root
    query = f"?api-version={quote(options.api_version, safe='')}" if options.api_version is not None else ""
    if options.api == "responses":
        return Responses(host.http, base, options.key, headers, query=query, key_header=_KEY_HEADER, request_ids=_REQUEST_IDS)
    if not query:
        return ChatCompletions(host.http, base, options.key, headers, _DIALECT)

    def address(deployment: str) -> str:
        return f"{base}/deployments/{quote(deployment, safe='')}/chat/completions{query}"

    return ChatCompletions(host.http, base, options.key, headers, _DIALECT, address=address)


@hook
def mmflow_providers() -> Iterable[ProviderWord]:
    """The word `azure_openai`."""
    return [ProviderWord("azure_openai", AzureOpenaiOptions, make)]
