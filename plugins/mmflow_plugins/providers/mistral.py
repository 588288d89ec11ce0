"""`mistral`: Mistral's API.

From the types of Mistral's Python client 3.7 (November 2026), made from its OpenAPI description: fields that it does not know
are refused, a stream reports usage unasked, and a call's id is nine letters and digits.
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256

from mmflow.plugin import Host, Provider, ProviderWord, Secret, hook, option, options
from mmflow_plugins.providers.chat_completions import ChatCompletions, Dialect
from mmflow_plugins.providers.wire import header_names, server_url

_OWN_ID = re.compile(r"[A-Za-z0-9]{9}")


@options
class MistralOptions:
    """The key, and where the API is."""

    url: str = option("https://api.mistral.ai/v1", doc="Where the API starts; `/chat/completions` is added.", check=server_url)
    key: Secret = option(doc="The API key.", env="MISTRAL_API_KEY")
    headers: Mapping[str, str] | None = option(None, doc="Headers to send with every call, `_` for `-`: `x_team`.")


def call_id(id_: str) -> str:
    """The id of a call as Mistral takes it: its own as they are, those of other providers as nine digits of their digest."""
    return id_ if _OWN_ID.fullmatch(id_) else sha256(id_.encode()).hexdigest()[:9]


_DIALECT = Dialect(
    seed_field="random_seed",
    request_ids=("mistral-correlation-id", "x-request-id"),
    knows_names=False,
    asks_usage=False,
    call_id=call_id,
)


def make(options: MistralOptions, host: Host) -> Provider:
    """The provider."""
    return ChatCompletions(host.http, options.url, options.key, header_names(options.headers), _DIALECT)


@hook
def mmflow_providers() -> Iterable[ProviderWord]:
    """The word `mistral`."""
    return [ProviderWord("mistral", MistralOptions, make)]
