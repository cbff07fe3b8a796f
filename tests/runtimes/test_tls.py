"""An engine behind TLS: certificates both ways, for the client, its streams and the guard."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess

import pytest

from pytest_ecs_tasks.engine.ports import EngineError
from pytest_ecs_tasks.errors import EngineUnavailable
from pytest_ecs_tasks.runtimes.detect import find_runtime
from pytest_ecs_tasks.runtimes.transport import read_certificates

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="there is no openssl to make certificates"
)


def openssl(folder, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_certificate(folder, name: str) -> None:
    request = ["req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key"]
    openssl(folder, *request, "-out", f"{name}.csr")
    (folder / "extensions").write_text("subjectAltName=IP:127.0.0.1\n")
    sign = ["x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
    openssl(folder, *sign, "-days", "2", "-extfile", "extensions", "-out", f"{name}.pem")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder as DOCKER_CERT_PATH wants it, with the server's pair beside it."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=authority", "-days", "2"]
    openssl(folder, *authority, "-keyout", "ca.key", "-out", "ca.pem")
    make_certificate(folder, "server")
    make_certificate(folder, "cert")
    (folder / "cert.key").rename(folder / "key.pem")
    return folder


@pytest.fixture
def tls_environment(engine_url, forwarding, certificates):
    """The environment in which Docker's own client would reach the engine by TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates / "ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    with forwarding(engine_url.removeprefix("unix://"), context) as (port, _):
        yield {
            "DOCKER_HOST": f"tcp://127.0.0.1:{port}",
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_CERT_PATH": str(certificates),
        }


def test_an_engine_behind_tls_does_everything(tls_environment, real):
    found = find_runtime("auto", tls_environment)
    container = real.create(command=("/bin/sh", "-c", "echo behind tls; read line; exit 4"), open_stdin=True)

    attachment = found.runtime.attach(container)
    found.runtime.start_container(container)
    outcome = found.runtime.execute(container, ("echo", "probed"), timeout_s=20)
    pieces = attachment.chunks()
    first = next(pieces)
    attachment.close()

    assert first == ("stdout", b"behind tls\n")
    assert list(pieces) == []
    assert (outcome.exit_code, outcome.stdout) == (0, b"probed\n")
    found.close()


def test_the_guard_reaches_an_engine_behind_tls(tls_environment, real):
    real.create()
    found = find_runtime("auto", tls_environment)

    guard = found.guard(real.label)
    guard.close(swept=False)
    assert guard.pid is not None
    os.waitpid(guard.pid, 0)

    assert real.runtime.list_labels(real.label) == ()
    found.close()


def test_a_server_of_another_authority_is_refused(tls_environment, certificates, tmp_path):
    for name in ("cert.pem", "key.pem"):
        shutil.copy(certificates / name, tmp_path)
    stranger = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=stranger", "-days", "2"]
    openssl(tmp_path, *stranger, "-keyout", "ca.key", "-out", "ca.pem")

    with pytest.raises(EngineUnavailable, match="certificate verify failed"):
        find_runtime("auto", {**tls_environment, "DOCKER_CERT_PATH": str(tmp_path)})


def test_a_missing_certificate_is_said_with_its_folder(tmp_path):
    with pytest.raises(EngineError, match=str(tmp_path)):
        read_certificates(str(tmp_path), verify=True)
