"""What every page of ours tells a browser about itself, whichever process sends it."""

_YEAR = 365 * 24 * 3600

COMMON = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), "
    "payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def headers(policy: str) -> dict[str, str]:
    """The headers of a page with that Content-Security-Policy."""
    return COMMON | {"Content-Security-Policy": policy}


def transport(*, https: bool, names_below: bool) -> dict[str, str]:
    """What tells browsers never to come but by https, where they do.

    Args:
        https: whether browsers come by https.
        names_below: whether servers and services have names below the hub's; it covers these.
    """
    below = "; includeSubDomains" if names_below else ""
    return {"Strict-Transport-Security": f"max-age={_YEAR}{below}"} if https else {}


def cookie_options(*, https: bool) -> dict[str, object]:
    """How cookies are set: not for scripts, nor for what other sites have people's browsers ask.

    Args:
        https: whether browsers come by https; they then send them by nothing else.
    """
    return {"httponly": True, "samesite": "Lax"} | ({"secure": True} if https else {})
