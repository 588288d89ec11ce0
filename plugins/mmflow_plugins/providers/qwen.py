"""`qwen`: Alibaba Cloud's Model Studio (DashScope) in its compatible mode.

From https://www.alibabacloud.com/help/model-studio/error-code (of 28 September 2026): some models answer in streams only, so
that every call is one. Keys belong to a region, as addresses do.
"""

from collections.abc import Iterable, Mapping

from mmflow.plugin import Host, Provider, ProviderWord, Secret, hook, option, options
from mmflow_plugins.providers.chat_completions import ChatCompletions, Dialect
from mmflow_plugins.providers.wire import header_names, server_url

_DIALECT = Dialect(request_ids=("x-request-id", "x-dashscope-request-id"), streams_only=True)


@options
class QwenOptions:
    """The key, and where the API is."""

    url: str = option(
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        doc="Where the API starts: by default in Singapore; `https://dashscope.aliyuncs.com/compatible-mode/v1` is in China.",
        env="DASHSCOPE_BASE_URL",
        check=server_url,
    )
    key: Secret = option(doc="The API key.", env="DASHSCOPE_API_KEY")
    headers: Mapping[str, str] | None = option(
        None, doc="Headers to send with every call, `_` for `-`: `X_DashScope_DataInspection`."
    )


def make(options: QwenOptions, host: Host) -> Provider:
    """The provider."""
    return ChatCompletions(host.http, options.url, options.key, header_names(options.headers), _DIALECT)


@hook
def mmflow_providers() -> Iterable[ProviderWord]:
    """The word `qwen`."""
    return [ProviderWord("qwen", QwenOptions, make)]
