"""`groq`: Groq.

From https://console.groq.com/docs/openai, https://console.groq.com/docs/errors and Groq's Python client 1.7 (November 2026):
names of turns are refused, and `max_tokens` is deprecated.
"""

from collections.abc import Iterable, Mapping

from mmflow.plugin import Host, Provider, ProviderWord, Secret, hook, option, options
from mmflow_plugins.providers.chat_completions import ChatCompletions, Dialect
from mmflow_plugins.providers.wire import header_names, server_url

_DIALECT = Dialect(limit_field="max_completion_tokens", knows_names=False)


@options
class GroqOptions:
    """The key, and where the API is."""

    url: str = option(
        "https://api.groq.com/openai/v1",
        doc="Where the API starts; `/chat/completions` is added.",
        check=server_url,
    )
    key: Secret = option(doc="The API key.", env="GROQ_API_KEY")
    headers: Mapping[str, str] | None = option(None, doc="Headers to send with every call, `_` for `-`: `x_team`.")


def make(options: GroqOptions, host: Host) -> Provider:
    """The provider."""
    return ChatCompletions(host.http, options.url, options.key, header_names(options.headers), _DIALECT)


@hook
def mmflow_providers() -> Iterable[ProviderWord]:
    """The word `groq`."""
    return [ProviderWord("groq", GroqOptions, make)]
