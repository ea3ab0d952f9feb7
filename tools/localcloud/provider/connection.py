"""Keeps the provider configuration of each engine apart, and shares the AWS clients between them."""

from __future__ import annotations

import ipaddress
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import boto3
import psutil
from botocore.config import Config

from tools.localcloud.ministack_adapter import ACCOUNT, REGION
from tools.localcloud.provider.property_values import decoded

if TYPE_CHECKING:
    from tools.localcloud.home import AccessKey
    from tools.localcloud.schema.values import Props

IDLE: Final = frozenset(
    {
        "accessKey", "secretKey", "token", "profile", "version", "skipCredentialsValidation", "skipMetadataApiCheck",
        "skipRegionValidation", "skipRequestingAccountId", "s3UsePathStyle", "maxRetries", "retryMode",
    }
)  # fmt: skip
"""The settings without effect: the provider has its own credentials, and every call to the emulator is quick."""
CALL_SECONDS: Final[dict[str, int]] = {"lambda": 960}
"""Service -> how long a call may take: a function runs for 15 minutes at most ("Lambda quotas")."""
OTHER_CALL_SECONDS: Final = 30
ACTIVE: Final = frozenset({"region", "defaultTags", "allowedAccountIds", "forbiddenAccountIds", "endpoints"})


class Clients:
    """boto3 clients, one for each service, region and endpoint: creating one takes 20 to 100 ms."""

    def __init__(self, endpoint: str, key: AccessKey) -> None:
        self.endpoint = endpoint
        self._made: dict[tuple[str, str, str], Any] = {}
        self._lock = threading.Lock()
        self._boto = boto3.session.Session(
            aws_access_key_id=key.identity, aws_secret_access_key=key.secret, region_name=REGION
        )
        self._config = Config(
            retries={"total_max_attempts": 1}, connect_timeout=5, max_pool_connections=32,
            ignore_configured_endpoint_urls=True,
        )  # fmt: skip

    def get(self, service: str, region: str, endpoint: str = "") -> Any:
        key = (service, region, endpoint or self.endpoint)
        with self._lock:  # a session of boto3 is not thread-safe; a client is
            if key not in self._made:
                config = self._config.merge(Config(read_timeout=CALL_SECONDS.get(service, OTHER_CALL_SECONDS)))
                self._made[key] = self._boto.client(service, region_name=region, endpoint_url=key[2], config=config)
            return self._made[key]


@dataclass
class Session:
    """The provider configuration of one engine."""

    clients: Clients
    region: str = REGION
    account: str = ACCOUNT
    default_tags: dict[str, str] = field(default_factory=dict)
    endpoints: dict[str, str] = field(default_factory=dict)
    engine: int = 0
    """The engine's process number."""
    configured: bool = False
    write_only_values: dict[str, Props] = field(default_factory=dict)
    """By URN: the write-only inputs, kept from `Check` to `Create` or `Update` so that they never enter the state."""

    @property
    def folder(self) -> Path:
        """The engine's project: paths of assets are relative to it."""
        here = Path(psutil.Process(self.engine).cwd())
        return next((each for each in (here, *here.parents) if (each / "Pulumi.yaml").exists()), here)

    def client(self, service: str, region: str = "") -> Any:
        return self.clients.get(service, region or self.region, self.endpoints.get(service, ""))

    def configure(self, settings: Props) -> None:
        settings = {key: decoded(value) for key, value in settings.items()}
        self.region = settings.get("region") or REGION
        self.default_tags = dict((settings.get("defaultTags") or {}).get("tags") or {})
        self.endpoints = {
            service: url for each in settings.get("endpoints") or () for service, url in each.items() if url
        }
        self.configured = True


def refusals(settings: Props) -> list[tuple[str, str]]:
    """Return (setting, reason) for each setting of a provider's configuration that is not accepted."""
    settings = {key: decoded(value) for key, value in settings.items()}
    found = [
        (key, f"the local cloud's provider does not know the setting {key!r}")
        for key in sorted(settings.keys() - ACTIVE - IDLE)
    ]
    allowed, forbidden = settings.get("allowedAccountIds") or (), settings.get("forbiddenAccountIds") or ()
    if allowed and ACCOUNT not in allowed:
        found.append(("allowedAccountIds", f"the local cloud's account {ACCOUNT} is not among {', '.join(allowed)}"))
    if ACCOUNT in forbidden:
        found.append(("forbiddenAccountIds", f"the local cloud's account {ACCOUNT} is forbidden"))
    found += [
        ("endpoints", f"{service} has the endpoint {url}: the local cloud's provider only talks to this machine")
        for each in settings.get("endpoints") or ()
        for service, url in each.items()
        if url and not loopback(url)
    ]
    return found


def loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
