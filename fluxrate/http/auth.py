"""Who is asking, and whether they may: API keys with scopes, browser sessions, and the check against forged requests.

Every view under /api states its scope with `scope(...)`; the factory refuses to start with one that does not. A session
is a random token in an HttpOnly cookie and a row on the server. An unsafe request of a session carries the session's
CSRF token (header `X-CSRF-Token` or form field `csrf_token`) and comes from our own origin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Request, Response, g, redirect, request, url_for

from fluxrate.core import accounts, credentials, text
from fluxrate.core.errors import ConfigError, Forbidden, Malformed, TooMany, Unauthenticated
from fluxrate.core.model import SCOPES, ApiKey, By, Note, User
from fluxrate.core.pace import KeyRate
from fluxrate.core.services import Services
from fluxrate.plugin import services

COOKIE = "fluxrate_session"
SECURE_COOKIE = "__Host-" + COOKIE
"""The cookie's name over TLS: browsers take one that begins so from this very host over TLS alone."""
PUBLIC = "public"
"""The scope of a view that anyone may call."""

View = TypeVar("View", bound=Callable[..., Any])

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HOUR = 3_600_000_000
_MINUTE = 60_000_000


def scope(name: str) -> Callable[[View], View]:
    """Let only callers with this scope in: by API key, or by a signed-in session, which has every scope.

    Stands above the view's `arguments`. A view that reads no query parameters refuses them all: what is not
    understood is never ignored.
    """

    def decorate(view: View) -> View:
        reads_query = any(one["in"] == "query" for one in _documented_arguments(view))

        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if name != PUBLIC:
                require(name)
            # Of the environment: `request.args` would be made for every request to find that it is empty.
            if not reads_query and _asked().environ.get("QUERY_STRING") and request.args:
                _refuse_query()
            return view(*args, **kwargs)

        guarded.needs_scope = name  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def _documented_arguments(view: Any) -> Sequence[Mapping[str, Any]]:
    """What flask-smorest keeps of the `arguments` decorators below."""
    found: Sequence[Mapping[str, Any]] = getattr(view, "_apidoc", {}).get("arguments", {}).get("parameters", ())
    return found


def _refuse_query() -> None:
    name = next(iter(request.args))
    raise Malformed(f"This call takes no query parameters, but {text.show(name)} came.", field=text.show(name)[1:-1])


def require(name: str) -> None:
    """Refuse a caller without this scope: Unauthenticated or Forbidden."""
    secret = _sent_key()
    if secret is not None:
        parts = services()
        key = _key(parts, secret)
        if parts.key_rate.per_minute:
            _count(parts.key_rate, key)
        granted = key.scopes
    elif current_user() is not None:
        check_forgery()
        granted = SCOPES
    else:
        raise Unauthenticated("An API key is expected in X-API-Key or as Authorization: Bearer, but none came.")
    if name not in granted and "admin" not in granted:
        raise Forbidden(f"This call needs the scope {name}, but the key has {', '.join(granted)}.")


def _count(rate: KeyRate, key: ApiKey) -> None:
    g.standing = standing = rate.count(key.pk)
    if not standing.allowed:
        raise TooMany(
            f"A key makes at most {rate.per_minute:,} requests a minute here, and this one has made them.",
            retry_after=standing.reset,
        )


def by() -> By:
    """Who does what this request asks for, to be kept beside what was done: the API key, or the signed-in person, and
    where they are. The key counts where both came. Raises Unauthenticated where neither did.
    """
    secret = _sent_key()
    if secret is not None:
        key = _key(services(), secret)
        return By(f"key:{key.prefix} {key.name}", client())
    user = current_user()
    if user is None:
        raise Unauthenticated("An API key or a session says who changes something, but neither came.")
    return By(f"user:{user.email}", client())


def client() -> str | None:
    """The client's network address, as far as it is one: what proxies in front say is believed by `TRUSTED_PROXY`."""
    try:
        return str(ip_address(request.remote_addr or ""))
    except ValueError:
        return None


def _asked() -> Request:
    """The request itself: each look through the proxy takes five times as long."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined]
    return found


def _sent_key() -> str | None:
    environ = _asked().environ
    kind, _, bearer = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if kind.lower() == "bearer":
        return str(bearer.strip())
    sent: str | None = environ.get("HTTP_X_API_KEY")
    return sent


def _key(parts: Services, secret: str) -> ApiKey:
    found = parts.catalog.key(secret)
    if found is None:
        raise Unauthenticated("This API key is unknown or revoked.")
    parts.catalog.use(found, parts.clock())
    return found


def current_user() -> User | None:
    """The signed-in person of this request's session, if there is one."""
    if "user" not in g:
        g.user = _user_of_session()
    found: User | None = g.user
    return found


def _secure() -> bool:
    return bool(services().settings["SECURE_COOKIES"]) or request.is_secure


def _cookie() -> str:
    # Over TLS the other name counts for nothing: a page of a neighbouring host could have set it.
    return SECURE_COOKIE if _secure() else COOKIE


def _token() -> str | None:
    """What the browser says its session is."""
    token = request.cookies.get(_cookie())
    return token if token and token.isascii() else None


def _user_of_session() -> User | None:
    token = _token()
    if token is None:
        return None
    parts = services()
    now = parts.clock()
    session = parts.store.sessions.get(credentials.digest(token))
    idle, longest = parts.settings["SESSION_IDLE_HOURS"] * _HOUR, parts.settings["SESSION_DAYS"] * 24 * _HOUR
    if session is None or now - session.last_seen_at > idle or now - session.created_at > longest:
        return None
    if now - session.last_seen_at > _MINUTE:
        parts.store.sessions.touch(session.token_digest, now)
    return parts.store.users.get(session.user_pk)


def page_access(view: View) -> View:
    """Let only signed-in people see a page; others are sent to sign in and come back."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if current_user() is None:
            target = request.full_path.rstrip("?") if request.method in _SAFE else "/"
            return redirect(url_for("web.sign_in", next=target if target != "/" else None))
        if request.method not in _SAFE:
            check_forgery()
        return view(*args, **kwargs)

    return guarded  # type: ignore[return-value]


def sign_in(email: str, password: str) -> User | None:
    """The account these belong to, or None, which the audit trail keeps.

    Raises Forbidden for a request from another origin, TooMany for an address that failed too often and when too many
    passwords are being looked at.
    """
    check_origin()
    parts, address = services(), client()
    with parts.sign_ins.attempt(address) as attempt:
        user = accounts.sign_in(parts.store, email, password)
        attempt.failed = user is None
    if user is None:
        accounts.note_failure(parts.store, email, address, parts.clock())
    return user


def create_first_administrator(token: str, email: str, password: str) -> User:
    """Use the one-time link; raises Forbidden, RuleBroken or Malformed."""
    check_origin()
    parts = services()
    return accounts.create_first_administrator(parts.store, token, email, password, parts.clock(), client())


def start_session(response: Response, user: User) -> None:
    """Give the browser a fresh session; the one it had before ends."""
    end_session(response)
    token = credentials.new_token()
    parts, who = services(), f"user:{user.email}"
    note = Note(By(who, client()), "user.signed_in", who, parts.clock())
    parts.store.sessions.create(credentials.digest(token), user.pk, note.at, note)
    response.set_cookie(
        _cookie(),
        token,
        max_age=parts.settings["SESSION_DAYS"] * 86_400,
        httponly=True,
        samesite="Lax",
        secure=_secure(),
    )


def end_session(response: Response) -> None:
    """Forget the browser's session, here and there."""
    token, user = _token(), current_user()
    if token is not None:
        who = f"user:{user.email}" if user else ""
        note = Note(By(who, client()), "user.signed_out", who, services().clock()) if user else None
        services().store.sessions.delete(credentials.digest(token), note)
    response.delete_cookie(_cookie(), secure=_secure(), httponly=True, samesite="Lax")


def csrf_token() -> str:
    """The token that unsafe requests of this session carry; empty without a session."""
    token = _token()
    return credentials.csrf_token(token) if token is not None else ""


def check_forgery() -> None:
    """Refuse an unsafe request that another site may have made the browser send."""
    if request.method in _SAFE:
        return
    check_origin()
    sent = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token") or ""
    if not credentials.same(sent.encode(), csrf_token().encode()) or not sent:
        raise Forbidden("A browser's request that changes something carries the session's CSRF token.")


def check_origin() -> None:
    """Refuse what the browser says comes from elsewhere.

    Sec-Fetch-Site is only sent over TLS or to localhost; elsewhere the Origin is compared with the host.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        raise Forbidden("This request comes from another site.")
    origin = request.headers.get("Origin")
    if origin is not None and _host(origin) != request.host:
        raise Forbidden("This request comes from another origin.")


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def tell_rate(response: Response) -> Response:
    """Say in the answer where the key is in its rate (IETF draft-ietf-httpapi-ratelimit-headers), if it has one."""
    standing = g.get("standing")
    if standing is not None:
        response.headers.add("RateLimit-Policy", f'"key";q={standing.limit};w=60')
        response.headers.add("RateLimit", f'"key";r={standing.remaining};t={standing.reset}')
    return response


def check_scopes(app: Flask) -> None:
    """Refuse to start with a view under /api that does not state its scope: nothing there is open by oversight."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/") and not hasattr(app.view_functions[rule.endpoint], "needs_scope"):
            raise ConfigError(f"The view of {rule.rule} states no scope; decorate it with fluxrate.http.auth.scope.")
