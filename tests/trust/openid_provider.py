"""OpenID providers for tests: a real small one in its own process, and one that cheats."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import orjson
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.e2e.server import free_port


@contextmanager
def real_provider(*users: dict[str, Any]) -> Iterator[str]:
    """Run ``oidc-provider-mock``; give its issuer."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    command += ["--require-nonce", "true"]
    for user in users:
        command += ["--user-claims", orjson.dumps(user).decode()]
    process = subprocess.Popen(
        command,
        env={**os.environ, "AUTHLIB_INSECURE_TRANSPORT": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"{issuer}/.well-known/openid-configuration").raise_for_status()
                break
            except httpx.HTTPError:
                assert process.poll() is None, "the provider ended"
                assert time.monotonic() < deadline, "the provider did not start"
                time.sleep(0.1)
        yield issuer
    finally:
        process.terminate()
        process.wait(10)


def approve(address: str, subject: str) -> dict[str, str]:
    """Let somebody agree at the real provider; return what it sends back with the browser."""
    answer = httpx.post(address, data={"sub": subject})
    location = answer.headers["location"]
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


Claims = dict[str, Any]


@cache
def usual_key() -> RSAKey:
    """Return the key that providers sign with unless a test changes it; making one is slow."""
    return RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})


class Cheat:
    """A provider whose ID tokens, description and keys a test forges as it likes."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.key = usual_key()
        self.more_keys: list[Any] = []
        self.description: Claims = {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/keys",
        }
        self.fetched: list[str] = []
        self.nonce = ""
        self.forge: Callable[[Claims], str] = self.sign

    def sign(self, claims: Claims, **header: str) -> str:
        return jwt.encode({"alg": "RS256", "kid": "one", **header}, claims, self.key)

    def claims(self) -> Claims:
        now = int(time.time())
        return {
            "iss": self.issuer,
            "sub": "248289761001",
            "aud": "madang",
            "exp": now + 300,
            "iat": now,
            "nonce": self.nonce,
        }

    def approve(self, address: str) -> dict[str, str]:
        """Take note of the request for a sign-in, and answer with a code."""
        asked = parse_qs(urlsplit(address).query)
        self.nonce = asked["nonce"][0]
        return {"state": asked["state"][0], "code": "a-code"}

    def answer(self, path: str) -> Claims:
        self.fetched.append(path)
        if path == "/.well-known/openid-configuration":
            return self.description
        if path == "/keys":
            return {"keys": [self.key.as_dict(private=False), *self.more_keys]}
        assert re.fullmatch("/token", path)
        return {"access_token": "x", "token_type": "Bearer", "id_token": self.forge(self.claims())}


@contextmanager
def cheating_provider() -> Iterator[Cheat]:
    """Run a provider that a test has say what it likes."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = orjson.dumps(cheat.answer(self.path))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    cheat = Cheat(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield cheat
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
