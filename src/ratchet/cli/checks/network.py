"""Checks of what is reached over the network: the port, a running service, providers."""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ratchet.cli.checks.finding import Finding, fail, ok, warn
from ratchet.errors import InvalidInput, ProviderError
from ratchet.settings import ProviderSettings, ServiceSettings, Settings

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

URL = "RATCHET_URL"
KEY = "RATCHET_API_KEY"
PATIENCE_S = 5.0
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


def port(service: ServiceSettings) -> Finding:
    """Whether the service can listen, or listens already."""
    name, place = "port", f"{service.host}:{service.port}"
    if service.port == 0:
        return ok(name, "A free one is taken at the start.")
    try:
        _listen(service.host, service.port)
    except OSError as error:
        return _cannot_listen(service, place, error)
    return ok(name, f"{place} is free")


def remote(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the service that RATCHET_URL names is there and takes the key; nothing when it names none."""
    url, key = environment.get(URL, "").strip().rstrip("/"), environment.get(KEY, "").strip()
    if not url:
        if key:
            yield warn(URL, f"{KEY} is set, but {URL} is not: the store is opened here.", f"Set {URL}, or unset {KEY}.")
        return
    try:
        there = urlsplit(url)
        usable = there.scheme in ("http", "https") and bool(there.hostname) and "@" not in there.netloc
    except ValueError:
        usable = False
    if not usable:
        yield fail(URL, f"{URL} is not an http or https address.", "Set it like http://127.0.0.1:8400.")
        return
    if not _is_ratchet(url):
        yield fail(
            URL, f"No Ratchet service answers at {url}.", "Start it with `ratchet serve`, or correct the address."
        )
        return
    yield ok(URL, f"A Ratchet service answers at {url}.")
    yield _key(url, key)


def providers(settings: Settings, environment: Mapping[str, str], *, online: bool) -> Iterator[Finding]:
    """Whether the providers have their keys and, with ``online``, answer and offer the models of the apps."""
    for provider in settings.providers:
        key = environment.get(provider.key_variable, "").strip()
        name = f"provider {provider.name}"
        if not key:
            yield warn(
                name,
                f"{provider.key_variable} is not set: {provider.base_url} is called without a key.",
                f"Set {provider.key_variable}, unless that endpoint needs none.",
            )
        if online:
            models = {app.model for app in settings.apps if app.provider == provider.name and app.model}
            yield _reached(name, provider, key, models)
        elif key:
            yield ok(name, f"{provider.key_variable} is set; --online asks whether {provider.base_url} takes it.")


def _reached(name: str, provider: ProviderSettings, key: str, models: set[str]) -> Finding:
    from ratchet.providers.openai_compatible import Endpoint, OpenAICompatible

    try:
        endpoint = Endpoint(
            provider.base_url, key or None, key_variable=provider.key_variable, connect_timeout_s=PATIENCE_S,
            read_timeout_s=PATIENCE_S, retries=0,
        )  # fmt: skip
        with OpenAICompatible(endpoint) as client:
            offered = client.models(deadline_s=2 * PATIENCE_S)
    except ProviderError as error:
        if error.status in (404, 405):
            fix = "Check base_url if answers fail too; some endpoints just do not list their models."
            return warn(name, f"{provider.base_url} answers, but lists no models.", fix)
        return fail(name, error.what, error.fix)
    except InvalidInput as error:
        return fail(name, error.what, error.fix)
    missing = sorted(models - set(offered))
    if missing:
        some = ", ".join(sorted(offered)[:5]) or "none"
        fix = f"Check the name; offered are {some}{' and others' if len(offered) > 5 else ''}."
        return warn(name, f"{provider.base_url} does not list {', '.join(missing)}.", fix)
    return ok(name, f"{provider.base_url} answers and offers {len(offered)} models")


def _listen(host: str, number: int) -> None:
    """Bind and let go at once; nothing is accepted meanwhile."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: old connections do not count
        tried.bind(address)


def _cannot_listen(service: ServiceSettings, place: str, error: OSError) -> Finding:
    host = EVERYWHERE.get(service.host, service.host)
    if error.errno == errno.EADDRINUSE:
        if _is_ratchet(f"http://[{host}]:{service.port}" if ":" in host else f"http://{host}:{service.port}"):
            return ok("port", f"A Ratchet service runs at {place}.")
        return fail(
            "port",
            f"Another program listens at {place}.",
            "Stop it, or give the service another port (port below [service], or RATCHET_PORT).",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return fail("port", f"You may not listen at {place}.", "Use a port from 1024 on.")
    why = error.strerror or str(error)
    return fail("port", f"Nothing can listen at {place}: {why}.", "Correct host: 127.0.0.1 is this machine alone.")


def _is_ratchet(url: str) -> bool:
    """Whether /healthz answers as a Ratchet service does: in JSON that names it."""
    from urllib3.exceptions import HTTPError

    try:
        answer = _get(f"{url}/healthz")
        said = json.loads(answer.data[:10_000])
    except (HTTPError, ValueError):
        return False
    return answer.status == 200 and isinstance(said, dict) and said.get("service") == "ratchet"


def _key(url: str, key: str) -> Finding:
    from urllib3.exceptions import HTTPError

    try:
        status = _get(f"{url}/v1/apps", key).status
    except HTTPError:
        return fail(KEY, f"{url} did not answer a request for its apps.", "Look at the service's log.")
    if status == 401 and not key:
        return fail(KEY, f"{url} wants a key, and {KEY} is not set.", f"Make one with `ratchet keys` and set {KEY}.")
    if status == 401:
        return fail(KEY, f"{url} does not take the key in {KEY}.", "Make a new one with `ratchet keys`.")
    if status in (403, 404):
        return ok(KEY, "The key is known; it may not list apps.")
    if status != 200:
        return fail(KEY, f"{url}/v1/apps answered {status}.", "Look at the service's log.")
    return ok(KEY, "The key is taken." if key else "No key is needed.")


def _get(url: str, key: str = "") -> BaseHTTPResponse:
    """The answer to a GET, given up on after some seconds."""
    from urllib3 import PoolManager, Timeout

    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with PoolManager() as pool:
        return pool.request(
            "GET", url, headers=headers, timeout=Timeout(total=PATIENCE_S), retries=False, redirect=False
        )
