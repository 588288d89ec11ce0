"""Words of others in our form."""


def clause(sentence: str | None) -> str:
    """Another library's sentence as a clause of ours: lower case first letter, no full stop, names in backticks."""
    text = (sentence or "unknown reason").rstrip(".").replace("'", "`")
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]
