"""`openai`: the API of OpenAI, or a server that stands in for it through `OPENAI_BASE_URL`."""

from collections.abc import Iterable, Mapping
from typing import Literal
from urllib.parse import urlsplit

from mmflow.plugin import Host, Provider, ProviderWord, Secret, hook, option, options
from mmflow_plugins.providers.chat_completions import COMMON, ChatCompletions, Dialect
from mmflow_plugins.providers.responses import Responses
from mmflow_plugins.providers.wire import header_names, server_url

# OpenAI's reasoning models refuse `max_tokens` and know the role `developer`; servers that stand in may know neither.
OPENAI = Dialect(limit_field="max_completion_tokens", developer_role="developer")


@options
class OpenaiOptions:
    """The key, and where the API is."""

    url: str = option(
        "https://api.openai.com/v1",
        doc="Where the API starts; `/chat/completions` or `/responses` is added.",
        env="OPENAI_BASE_URL",
        check=server_url,
    )
    key: Secret = option(doc="The API key.", env="OPENAI_API_KEY")
    api: Literal["chat_completions", "responses"] = option(
        "chat_completions", doc="Which of its two protocols is spoken; `responses` asks OpenAI to store nothing."
    )
    headers: Mapping[str, str] | None = option(None, doc="Headers to send with every call, `_` for `-`: `OpenAI_Project`.")


def make(options: OpenaiOptions, host: Host) -> Provider:
    """The provider."""
    headers = header_names(options.headers)
    if options.api == "responses":
        return Responses(host.http, options.url, options.key, headers)
    server = urlsplit(options.url).hostname or ""
    dialect = OPENAI if server.endswith((".openai.com", ".azure.com")) else COMMON
    return ChatCompletions(host.http, options.url, options.key, headers, dialect)


@hook
def mmflow_providers() -> Iterable[ProviderWord]:
    """The word `openai`."""
    return [ProviderWord("openai", OpenaiOptions, make)]
