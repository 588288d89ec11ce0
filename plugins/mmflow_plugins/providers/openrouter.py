"""`openrouter`: OpenRouter, a gateway to the models of many.

From https://openrouter.ai/docs/errors and https://openrouter.ai/docs/use-cases/usage-accounting (copies read in November
2026): an error of the model's own provider comes within an answer of status 200, and `403` is said of a flagged input too.
"""

from collections.abc import Iterable, Mapping

from mmflow.plugin import Host, Provider, ProviderWord, Secret, hook, option, options
from mmflow_plugins.providers.chat_completions import ChatCompletions, Dialect
from mmflow_plugins.providers.wire import header_names, server_url

_DIALECT = Dialect(request_ids=("x-generation-id", "x-request-id"))


@options
class OpenrouterOptions:
    """The key, and where the API is."""

    url: str = option(
        "https://openrouter.ai/api/v1",
        doc="Where the API starts; `/chat/completions` is added.",
        check=server_url,
    )
    key: Secret = option(doc="The API key.", env="OPENROUTER_API_KEY")
    headers: Mapping[str, str] | None = option(
        None, doc="Headers to send with every call, `_` for `-`: `HTTP_Referer`, `X_Title`."
    )


def make(options: OpenrouterOptions, host: Host) -> Provider:
    """The provider."""
    return ChatCompletions(host.http, options.url, options.key, header_names(options.headers), _DIALECT)


@hook
def mmflow_providers() -> Iterable[ProviderWord]:
    """The word `openrouter`."""
    return [ProviderWord("openrouter", OpenrouterOptions, make)]
