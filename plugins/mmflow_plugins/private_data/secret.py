"""Secrets of programs: keys and tokens with well-known beginnings, private keys, and passwords that are set or stand in a URL."""

import re
from functools import cache

from mmflow.plugin import CompiledPattern, compile_pattern

_KNOWN = (
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",  # Amazon
    r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b|\bgithub_pat_\w{22,255}\b|\bglpat-[\w\-]{20,}",
    r"\bxox[abeoprs]-[A-Za-z0-9\-]{10,}|hooks\.slack\.com/services/T\w+/B\w+/\w{16,}",
    r"\bsk-(?:ant-|proj-|svcacct-|or-v1-)?[A-Za-z0-9_\-]{20,}",  # OpenAI, Anthropic, OpenRouter and their like
    r"\bAIza[\w\-]{35}|\bya29\.[\w\-]{20,}",  # Google
    r"\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}|\bwhsec_[A-Za-z0-9+/=]{20,}",  # Stripe
    r"\bnpm_[A-Za-z0-9]{36}\b|\bpypi-[\w\-]{50,}|\bhf_[A-Za-z0-9]{30,}|\bdop_v1_[0-9a-f]{64}\b|\bshp(?:at|ss|ca|pa)_[0-9a-fA-F]{32}\b",
    r"\bSG\.[\w\-]{16,}\.[\w\-]{16,}|\bSK[0-9a-f]{32}\b|\bgsk_[A-Za-z0-9]{40,}|\br8_[A-Za-z0-9]{30,}",
    r"\beyJ[\w\-]{10,}\.eyJ[\w\-]{10,}\.[\w\-]{10,}",  # a token of RFC 7519
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----",
    r"\bAccountKey=[A-Za-z0-9+/]{40,}",
)
_IN_URL = r"\b[a-z][a-z0-9+.\-]{1,20}://[^\s:/@]{1,80}:[^\s/@]{3,120}@[\w.\-]+"
_SET = (
    r"(?:password|passwd|passphrase|passwort|kennwort|contraseña|mot de passe|\bpwd|api[ _\-]?key|secret[ _\-]?key"
    r"|client[ _\-]?secret|access[ _\-]?token|auth[ _\-]?token)"
    r"[\"']?(?: is| ist| es)?[ ]{0,3}[:=]?[ ]{0,3}[\"'`]?[^\s\"'`,;<>(){}\[\]]{8,200}"
)
_SAID = re.compile(r"[^\s\"'`:=]+$")


def found_in(text: str) -> bool:
    """Whether a text has a secret."""
    return _known().matches(text) or any(map(_sets_one, _set().find_all(text)))


def _sets_one(found: str) -> bool:
    """Whether the value looks like a password, rather than a word of a sentence about one."""
    said = _SAID.search(found)
    value = said[0] if said else ""
    return len(value) >= 8 and any(map(str.isdecimal, value)) and any(map(str.isalpha, value)) and "://" not in found


@cache
def _known() -> CompiledPattern:
    return compile_pattern("|".join([*_KNOWN, _IN_URL]))


@cache
def _set() -> CompiledPattern:
    return compile_pattern(_SET, ignore_case=True)
