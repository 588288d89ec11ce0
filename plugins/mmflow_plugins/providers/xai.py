"""`xai`: xAI's Grok models.

From https://docs.x.ai/developers/model-capabilities/text/comparison.md and https://docs.x.ai/developers/advanced-api-usage
(copies read in November 2026). Its chat completions leave reasoning out of `completion_tokens`, and say `400` of a wrong key.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from mmflow.plugin import Host, Provider, ProviderWord, Secret, hook, option, options
from mmflow_plugins.providers.chat_completions import ChatCompletions, Dialect
from mmflow_plugins.providers.responses import Responses
from mmflow_plugins.providers.wire import header_names, server_url

_DIALECT = Dialect(limit_field="max_completion_tokens")


@options
class XaiOptions:
    """The key, and where the API is."""

    url: str = option(
        "https://api.x.ai/v1", doc="Where the API starts; `/chat/completions` or `/responses` is added.", check=server_url
    )
    key: Secret = option(doc="The API key.", env="XAI_API_KEY")
    api: Literal["chat_completions", "responses"] = option(
        "chat_completions",
        doc="Which of its two protocols is spoken; xAI calls the first deprecated, `responses` asks it to store nothing.",
    )
    headers: Mapping[str, str] | None = option(None, doc="Headers to send with every call, `_` for `-`: `x_team`.")


def make(options: XaiOptions, host: Host) -> Provider:
    """The provider."""
    headers = header_names(options.headers)
    if options.api == "responses":
        return Responses(host.http, options.url, options.key, headers)
    return ChatCompletions(host.http, options.url, options.key, headers, _DIALECT)


@hook
def mmflow_providers() -> Iterable[ProviderWord]:
    """The word `xai`."""
    return [ProviderWord("xai", XaiOptions, make)]
