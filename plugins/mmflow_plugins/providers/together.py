"""`together`: Together AI.

From https://docs.together.ai/docs/inference/openai-compatibility (copy read in November 2026).
"""

from collections.abc import Iterable, Mapping

from mmflow.plugin import Host, Provider, ProviderWord, Secret, hook, option, options
from mmflow_plugins.providers.chat_completions import ChatCompletions, Dialect
from mmflow_plugins.providers.wire import header_names, server_url

_DIALECT = Dialect(knows_names=False)


@options
class TogetherOptions:
    """The key, and where the API is."""

    url: str = option(
        "https://api.together.ai/v1",
        doc="Where the API starts; `/chat/completions` is added.",
        check=server_url,
    )
    key: Secret = option(doc="The API key.", env="TOGETHER_API_KEY")
    headers: Mapping[str, str] | None = option(None, doc="Headers to send with every call, `_` for `-`: `x_team`.")


def make(options: TogetherOptions, host: Host) -> Provider:
    """The provider."""
    return ChatCompletions(host.http, options.url, options.key, header_names(options.headers), _DIALECT)


@hook
def mmflow_providers() -> Iterable[ProviderWord]:
    """The word `together`."""
    return [ProviderWord("together", TogetherOptions, make)]
