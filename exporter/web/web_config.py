"""The exporter-toolkit's `web-config.yml`: what it may say, and what is wrong with it.

The format is that of Prometheus' exporter-toolkit (docs/web-configuration.md there). What Python's TLS can't do is a
mistake, not ignored: `RequestClientCert` and `RequireAnyClientCert` take certificates that nobody has verified.
"""

import re
import ssl
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from exporter.mistakes import ConfigError

VERSIONS: Final = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
CLIENTS: Final = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
CURVES: Final = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
CIPHERS: Final = {
    f"TLS_ECDHE_{key}_WITH_{go}": f"ECDHE-{key}-{openssl}"
    for key in ("ECDSA", "RSA")
    for go, openssl in (
        ("AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
        ("AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
        ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305"),
        ("CHACHA20_POLY1305", "CHACHA20-POLY1305"),
        ("AES_128_CBC_SHA", "AES128-SHA"),
        ("AES_256_CBC_SHA", "AES256-SHA"),
        ("AES_128_CBC_SHA256", "AES128-SHA256"),
    )
} | {
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
}
# Every TLS 1.3 connection may use these, whatever the file says; Go does likewise.
ALWAYS: Final = frozenset({"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})

_PART: Final = re.compile(r"([0-9]+(?:[.][0-9]*)?)(ns|us|µs|ms|s|m|h)")
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

Version = Literal["TLS10", "TLS11", "TLS12", "TLS13"]
Header = Literal[
    "Content-Security-Policy",
    "X-Frame-Options",
    "X-Content-Type-Options",
    "X-XSS-Protection",
    "Strict-Transport-Security",
]


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, hide_input_in_errors=True, defer_build=True
    )  # the whole builds its parts once more


class TLS(_Section):
    """`tls_server_config`; paths are relative to the file."""

    cert_file: str = ""
    key_file: str = ""
    cert: str = ""
    key: str = ""
    client_auth_type: Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"] = "NoClientCert"
    client_ca_file: str = ""
    client_ca: str = ""
    client_allowed_sans: list[str] = Field(default_factory=list)
    cipher_suites: list[str] = Field(default_factory=list)
    prefer_server_cipher_suites: bool = True
    curve_preferences: list[Literal["CurveP256", "CurveP384", "CurveP521", "X25519"]] = Field(default_factory=list)
    min_version: Version = "TLS12"
    max_version: Version = "TLS13"


class HTTP(_Section):
    """`http_server_config`; HTTP/2 is not spoken, and `http2` is taken without effect."""

    http2: bool = True
    headers: dict[Header, str] = Field(default_factory=dict)


def _seconds(given: object) -> float:
    """A duration as Go writes it, or 0."""
    parts = _PART.findall(given) if isinstance(given, str) else []
    if given != 0 and (not parts or "".join(map("".join, parts)) != given):
        raise PydanticCustomError("duration", "should be a duration such as 1s, or 0")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


class RateLimit(_Section):
    """`rate_limit`: a request for each `interval` (0: any number), in seconds, and a burst of so many."""

    interval: Annotated[float, BeforeValidator(_seconds)] = 0.0
    burst: int = 0


class WebConfig(_Section):
    """The whole file."""

    tls_server_config: TLS | None = None
    http_server_config: HTTP = Field(default_factory=HTTP)
    rate_limit: RateLimit = Field(default_factory=RateLimit)
    basic_auth_users: dict[str, str] = Field(default_factory=dict)


def parse(path: str, text: bytes) -> WebConfig:
    """The file's contents. Raises ConfigError with one line for each mistake, without values: some are secrets."""
    where = f"web.config_file: {path}"
    import yaml  # noqa: PLC0415 - only a file needs it

    try:
        said = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        raise ConfigError([f"{where}: is no YAML" + ("" if line is None else f" (line {line + 1})")]) from None
    try:
        config = WebConfig.model_validate({} if said is None else said)
    except ValidationError as error:
        raise ConfigError(
            f"{where}: {'.'.join(map(str, one['loc']))}: {_words(one)}" for one in error.errors()
        ) from None
    mistakes = [f"{where}: {mistake}" for mistake in _mistakes(config)]
    if mistakes:
        raise ConfigError(mistakes)
    return config


def _words(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "is no key of this file that is supported"
    return str(error["msg"])[:1].lower() + str(error["msg"])[1:]


def _mistakes(config: WebConfig) -> list[str]:
    wrong = [
        f"basic_auth_users.{name}: is no bcrypt hash"
        for name, value in config.basic_auth_users.items()
        if value[:2] != "$2"
    ]
    if config.rate_limit.interval and config.rate_limit.burst < 1:
        wrong.append(f"rate_limit.burst: {config.rate_limit.burst} would let no request in")
    if (tls := config.tls_server_config) is None:
        return wrong
    section = "tls_server_config"
    wrong += [
        f"{section}: set either {name}_file or {name}"
        for name in ("cert", "key")
        if bool(getattr(tls, name)) == bool(getattr(tls, f"{name}_file"))
    ]
    if tls.client_ca and tls.client_ca_file:
        wrong.append(f"{section}: set either client_ca_file or client_ca")
    has_authority, verifies = bool(tls.client_ca or tls.client_ca_file), tls.client_auth_type != "NoClientCert"
    if has_authority != verifies:
        wrong.append(f"{section}: client_auth_type and a client_ca_file go together")
    if tls.client_allowed_sans and tls.client_auth_type != "RequireAndVerifyClientCert":
        wrong.append(f"{section}.client_allowed_sans: needs client_auth_type RequireAndVerifyClientCert")
    wrong += [
        f"{section}.cipher_suites: {name} is not known here"
        for name in tls.cipher_suites
        if name not in {*CIPHERS, *ALWAYS}
    ]
    if VERSIONS[tls.min_version] > VERSIONS[tls.max_version]:
        wrong.append(f"{section}: min_version is above max_version")
    return wrong
