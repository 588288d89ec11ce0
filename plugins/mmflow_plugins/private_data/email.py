"""Addresses of e-mail, in any script."""

from functools import cache

from mmflow.plugin import CompiledPattern, compile_pattern

_NO_ADDRESS = (".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp")
"""Names of images such as `logo@2x.png` look like one."""


def found_in(text: str) -> bool:
    """Whether a text has an address; the `git@` of a repository's address is none."""
    if "@" not in text:
        return False
    return any(
        not found.lower().endswith(_NO_ADDRESS) and not (found.startswith("git@") and found.endswith(":"))
        for found in _addresses().find_all(text)
    )


@cache
def _addresses() -> CompiledPattern:
    return compile_pattern(r"[\pL\pM\pN._%+'\-]+@(?:[\pL\pM\pN\-]+\.)+(?:xn--[a-z0-9\-]+|\pL[\pL\pM]+):?")
