"""A real Prometheus, an older and a newer one, scrapes with a client certificate and a password."""

from collections.abc import Callable
from pathlib import Path

import bcrypt
import pytest
from alerted import GENERATIONS
from monitoring import FindProgram, monitoring
from processes import LOGIN, exporting, planetscale

pytestmark = pytest.mark.real


@GENERATIONS
async def test_prometheus_scrapes_over_tls_with_a_certificate_and_a_password(
    program: FindProgram, issue: Callable[[str], None], tmp_path: Path, *, newer: bool
) -> None:
    """It gets every value, and nothing once its password is taken back, without a restart of either."""
    for name in ("server", "prometheus"):
        issue(name)
    (tmp_path / "password").write_text("sesame")
    job = (
        "    scheme: https\n"
        f"    tls_config: {{ca_file: {tmp_path}/ca.crt, server_name: localhost, "
        f"cert_file: {tmp_path}/prometheus.crt, key_file: {tmp_path}/prometheus.key}}\n"
        f"    basic_auth: {{username: prometheus, password_file: {tmp_path}/password}}\n"
    )
    web = tmp_path / "web-config.yml"

    def let_in(password: bytes) -> None:
        web.write_text(
            "tls_server_config: {cert_file: server.crt, key_file: server.key, client_ca_file: ca.crt,"
            " client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: [prometheus]}\n"
            f"basic_auth_users: {{prometheus: '{bcrypt.hashpw(password, bcrypt.gensalt(5)).decode()}'}}\n"
        )

    let_in(b"sesame")
    async with planetscale() as api:
        argv = ("--target=acme/shop/1", f"--api.url={api.url}", f"--web.config-file={web}")
        async with (
            exporting(*argv, **LOGIN) as exporter,
            monitoring(program, tmp_path, exporter.port, newer=newer, job=job) as run,
        ):
            await run.finds('planetscale_deploy_operation_progress_percentage{database="shop"} > 40')
            let_in(b"open")
            await run.finds('up{job="planetscale-exporter"} == 0')
            let_in(b"sesame")
            await run.finds('up{job="planetscale-exporter"} == 1')
