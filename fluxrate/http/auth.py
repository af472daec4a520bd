"""Who is asking, and whether they may: API keys with scopes, browser sessions, and the check against forged requests.

Every view under /api states its scope with `scope(...)`; the factory refuses to start with one that does not. A session
is a random token in an HttpOnly cookie and a row on the server. An unsafe request of a session carries the session's
CSRF token (header `X-CSRF-Token` or form field `csrf_token`) and comes from our own origin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, g, redirect, request, url_for

from fluxrate.core import accounts, credentials, text
from fluxrate.core.errors import ConfigError, Forbidden, Malformed, Unauthenticated
from fluxrate.core.model import SCOPES, ApiKey, User
from fluxrate.plugin import services

COOKIE = "fluxrate_session"
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
            if not reads_query and request.args:
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
        granted = _key(secret).scopes
    elif current_user() is not None:
        check_forgery()
        granted = SCOPES
    else:
        raise Unauthenticated("An API key is expected in X-API-Key or as Authorization: Bearer, but none came.")
    if name not in granted and "admin" not in granted:
        raise Forbidden(f"This call needs the scope {name}, but the key has {', '.join(granted)}.")


def actor() -> str:
    """Who does what this request asks for, as a text to be kept beside what was done: `key:` and the API key's name, or
    `user:` and the account's address. The key counts where both came. Raises Unauthenticated where neither did.
    """
    secret = _sent_key()
    if secret is not None:
        return f"key:{_key(secret).name}"
    user = current_user()
    if user is None:
        raise Unauthenticated("An API key or a session says who changes something, but neither came.")
    return f"user:{user.email}"


def _sent_key() -> str | None:
    environ = request.environ
    kind, _, bearer = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if kind.lower() == "bearer":
        return str(bearer.strip())
    sent: str | None = environ.get("HTTP_X_API_KEY")
    return sent


def _key(secret: str) -> ApiKey:
    parts = services()
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


def _user_of_session() -> User | None:
    token = request.cookies.get(COOKIE)
    if not token or not token.isascii():
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
    """The account these belong to, or None. Raises Forbidden for a request from another origin."""
    check_origin()
    return accounts.sign_in(services().store, email, password)


def create_first_administrator(token: str, email: str, password: str) -> User:
    """Use the one-time link; raises Forbidden, RuleBroken or Malformed."""
    check_origin()
    parts = services()
    return accounts.create_first_administrator(parts.store, token, email, password, parts.clock())


def start_session(response: Response, user: User) -> None:
    """Give the browser a fresh session; the one it had before ends."""
    end_session(response)
    token = credentials.new_token()
    parts = services()
    parts.store.sessions.create(credentials.digest(token), user.pk, parts.clock())
    response.set_cookie(
        COOKIE,
        token,
        max_age=parts.settings["SESSION_DAYS"] * 86_400,
        httponly=True,
        samesite="Lax",
        secure=parts.settings["SECURE_COOKIES"] or request.is_secure,
    )


def end_session(response: Response) -> None:
    """Forget the browser's session, here and there."""
    token = request.cookies.get(COOKIE)
    if token and token.isascii():
        services().store.sessions.delete(credentials.digest(token))
    response.delete_cookie(COOKIE)


def csrf_token() -> str:
    """The token that unsafe requests of this session carry; empty without a session."""
    token = request.cookies.get(COOKIE)
    return credentials.csrf_token(token) if token and token.isascii() else ""


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


def check_scopes(app: Flask) -> None:
    """Refuse to start with a view under /api that does not state its scope: nothing there is open by oversight."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/") and not hasattr(app.view_functions[rule.endpoint], "needs_scope"):
            raise ConfigError(f"The view of {rule.rule} states no scope; decorate it with fluxrate.http.auth.scope.")
