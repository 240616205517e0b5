"""Which addresses of outside services may be spoken to: those that TLS protects, and this machine's own."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_safe_url(url: str) -> bool:
    """Whether `url` is https, or http to a loopback address, and holds neither credentials nor a fragment."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    is_protected = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    return is_protected and bool(host) and port != 0 and "@" not in parts.netloc and not parts.fragment


def is_loopback(host: str) -> bool:
    """Whether `host` is a name or address of this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
