"""A stand for each test, plain or with a certificate."""

import ssl
from collections.abc import Iterator

import pytest

from tests.twilio.stand import CERTIFICATE, Stand


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    monkeypatch.setenv("NO_PROXY", "*")
    stand = Stand()
    yield stand
    stand.close()


@pytest.fixture
def secure_stand(stand: Stand) -> Stand:
    """A stand with a certificate that nobody but this folder knows."""
    secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secured.load_cert_chain(CERTIFICATE)
    stand.server.socket = secured.wrap_socket(stand.server.socket, server_side=True)
    stand.base = stand.base.replace("http:", "https:")
    return stand
