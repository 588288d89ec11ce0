"""Where a URL leads: to a server, directly or through the proxy that the environment names."""

import ipaddress
from urllib.request import getproxies, proxy_bypass

from yarl import URL

from mmflow.plugin import CallError

CHECK_PROXY = "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY"


def target_of(text: str) -> tuple[URL, URL | None]:
    """The server's URL and the proxy's, if one is on the way. `CallError` where the text is no URL, or holds a password."""
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.raw_host:
        help_ = "write `http://` or `https://` and a host"
        shown = "what is given" if "@" in text else f"`{text}`"  # a password may stand before an `@`
        raise CallError("connect", f"{shown} is not the URL of a server", dispatched="no", help=help_)
    if url.user is not None or url.password is not None:
        raise CallError("connect", "a URL with a password in it is refused", dispatched="no", help="declare the `key` instead")
    return url, _proxy(url, url.raw_host)


def _proxy(url: URL, host: str) -> URL | None:
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    # Nobody's proxy leads back to this machine.
    if not proxy or _is_loopback(host) or proxy_bypass(f"{host}:{url.port}"):
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        raise CallError("connect", "the proxy of the environment is not an HTTP proxy", dispatched="no", help=CHECK_PROXY)
    return URL(proxy)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
