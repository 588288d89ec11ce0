"""`deepseek`: DeepSeek, with what its models think before they answer.

From https://api-docs.deepseek.com/guides/thinking_mode (copy read in November 2026): a turn that called tools has to come
back with what was thought in it, be it nothing, or the next call is refused.
"""

from collections.abc import Iterable, Mapping

from mmflow.plugin import Host, Provider, ProviderWord, Secret, hook, option, options
from mmflow_plugins.providers.chat_completions import ChatCompletions, Dialect
from mmflow_plugins.providers.wire import header_names, server_url

_DIALECT = Dialect(request_ids=("x-request-id", "x-ds-trace-id"), wants_reasoning=True)


@options
class DeepseekOptions:
    """The key, and where the API is."""

    url: str = option(
        "https://api.deepseek.com",
        doc="Where the API starts; `/chat/completions` is added.",
        check=server_url,
    )
    key: Secret = option(doc="The API key.", env="DEEPSEEK_API_KEY")
    headers: Mapping[str, str] | None = option(None, doc="Headers to send with every call, `_` for `-`: `x_team`.")


def make(options: DeepseekOptions, host: Host) -> Provider:
    """The provider."""
    return ChatCompletions(host.http, options.url, options.key, header_names(options.headers), _DIALECT)


@hook
def mmflow_providers() -> Iterable[ProviderWord]:
    """The word `deepseek`."""
    return [ProviderWord("deepseek", DeepseekOptions, make)]
