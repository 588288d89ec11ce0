"""Addresses that a provider outside has no business at: link-local ones, and where clouds hand out a machine's credentials."""

import ipaddress

from mmflow.plugin import CallError

_METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
# Beside 169.254.169.254, which is link-local: AWS over IPv6, Alibaba Cloud, Oracle Cloud, Azure.
_METADATA_ADDRESSES = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16")))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_out_of_reach(address: str) -> bool:
    """Whether an IP address is link-local or one of a cloud's metadata service, be it written as IPv6; False for a name."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0].strip("[]"))
    except ValueError:
        return False
    return any(each.is_link_local or each in _METADATA_ADDRESSES for each in _meanings(ip))


def _meanings(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The address, and the IPv4 address that it leads to where it is a form of one."""
    if isinstance(ip, ipaddress.IPv4Address):
        return [ip]
    meant = [ip.ipv4_mapped, ip.sixtofour, ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF) if ip in _NAT64 else None]
    return [ip, *(each for each in meant if each is not None)]


def check_host(host: str) -> None:
    """Raise the `CallError` of a host that is out of reach by its name, or is such an address."""
    if host.rstrip(".").lower() in _METADATA_NAMES or is_out_of_reach(host):
        raise refusal(host)


def refusal(host: str) -> CallError:
    """The error of a call to such an address."""
    message = f"{host} is a link-local or metadata address, which no provider of `zone = external` may reach"
    help_ = "check the provider's `url`, or declare `zone = own` if the address is yours"
    return CallError("connect", message, dispatched="no", help=help_)
