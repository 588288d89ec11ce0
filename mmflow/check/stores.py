"""Where a provider writes what requests and answers say."""

from mmflow.check.program import Declaration
from mmflow.options import construct_named
from mmflow.plugin import ProviderWord


def stored_by(provider: Declaration | None) -> str | None:
    """Where a declared provider stores content, by its word and its options; None where it does not, or cannot be known."""
    if provider is None or not isinstance(provider.word, ProviderWord):
        return None
    word = provider.word
    try:
        return word.stores(construct_named(word.options, provider.options))
    except Exception:  # noqa: BLE001 - anybody's code: what it cannot tell is not known
        return None
