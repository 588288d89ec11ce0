"""`openai_compatible`: any server that speaks chat completions, such as vLLM, Ollama, llama.cpp, TGI or a gateway."""

from collections.abc import Iterable, Mapping

from mmflow.plugin import Host, Provider, ProviderWord, Secret, hook, option, options
from mmflow_plugins.providers.chat_completions import ChatCompletions
from mmflow_plugins.providers.wire import header_names, server_url


@options
class OpenaiCompatibleOptions:
    """Where the server is, and how to ask it."""

    url: str = option(doc="Where the API starts, often ending in `/v1`; `/chat/completions` is added.", check=server_url)
    key: Secret | None = option(None, doc="The key, sent as a bearer token; leave it out where the server wants none.")
    headers: Mapping[str, str] | None = option(None, doc="Headers to send with every call, `_` for `-`: `x_team`.")


def make(options: OpenaiCompatibleOptions, host: Host) -> Provider:
    """The provider."""
    return ChatCompletions(host.http, options.url, options.key, header_names(options.headers))


@hook
def mmflow_providers() -> Iterable[ProviderWord]:
    """The word `openai_compatible`."""
    return [ProviderWord("openai_compatible", OpenaiCompatibleOptions, make)]
