"""What may be served to whom."""

from imm_ray.settings import Settings

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def check_exposure(settings: Settings) -> None:
    """Return when the settings keep photos and credentials off the network.

    Raises
    ------
    ValueError
        They would serve without signatures, or in the clear, beyond this machine.
    """
    server = settings.server
    if server.host in _LOOPBACK:
        return
    if settings.auth.mode == "none":
        raise ValueError(f'auth.mode = "none" is for loopback only, not for host {server.host}')
    if not (server.behind_tls_proxy or server.tls_cert):
        raise ValueError(
            f"plain HTTP on host {server.host} would show every photo's address on the network: "
            "give --tls-cert and --tls-key, or set server.behind_tls_proxy if a proxy adds TLS"
        )
