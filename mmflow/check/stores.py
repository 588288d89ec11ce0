"""Where a provider writes what requests and answers say."""

import attrs

from mmflow.check.program import Declaration
from mmflow.options import construct, public_name
from mmflow.plugin import ProviderWord


def stored_by(provider: Declaration | None) -> str | None:
    """Where a declared provider stores content, by its word and its options; None where it does not, or cannot be known."""
    if provider is None or not isinstance(provider.word, ProviderWord):
        return None
    word = provider.word
    values = {each.name: provider.options.get(public_name(each.name)) for each in attrs.fields(word.options)}
    try:
        return word.stores(construct(word.options, {name: value for name, value in values.items() if value is not None}))
    except Exception:  # noqa: BLE001 - anybody's code: what it cannot tell is not known
        return None
