"""The address of the database: which is refused, and how it is shown to people."""

from sqlalchemy import URL, make_url

from imm_ray.store.database import dialect_of

_HERE = ("localhost", "127.0.0.1", "::1")
_GUESSED = (
    "",
    "postgres",
    "password",
    "admin",
    "secret",
    "changeme",
    "change-me",
    "imm",
    "imm-ray",
)


def check(url: str) -> None:
    """Return when a database may be used.

    Raises
    ------
    ValueError
        The URL is not one of a database that is supported, or it would reach a server on another
        machine with a password that everybody tries first.
    """
    dialect_of(url)
    parsed = make_url(url)
    password = parsed.password
    if password is None or all(map(_is_here, _hosts(parsed))):
        return  # without one in the URL: a password file, a certificate, or none is asked for
    if str(password).lower() in (*_GUESSED, parsed.username, parsed.database):
        raise ValueError(
            f"store.url {shown(url)}: the password is empty or one that everybody tries first, and "
            "the server is not on this machine; give the database's user another password"
        )


def shown(url: str) -> str:
    """Return a URL as it may be shown and logged: without its password, and without its options.

    >>> shown("postgresql://imm:hush@db/imm?sslpassword=hush")
    'postgresql://imm:***@db/imm'
    """
    return make_url(url).set(query={}).render_as_string(hide_password=True)


def is_of_one_host(url: str) -> bool:
    """Return whether only processes of one machine can share the database.

    >>> is_of_one_host("sqlite:////data/imm.db"), is_of_one_host("postgresql://db/imm")
    (True, False)
    """
    return make_url(url).get_backend_name() == "sqlite"


def _hosts(url: URL) -> list[str]:
    given = url.query.get("host") or url.host or ""
    hosts = [given] if isinstance(given, str) else list(given)
    return [name for host in hosts for name in host.split(",")]


def _is_here(host: str) -> bool:
    """Return whether a host is this machine; '' and a path are sockets in its file system."""
    name = host if host in _HERE else host.rsplit(":", 1)[0]
    return name in _HERE or not name or name.startswith("/")
