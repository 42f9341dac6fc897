"""
Configuration: every setting (`settings`), where its value comes from (`loading`), and how it is shown (`report`).
"""

from __future__ import annotations

from openim_ray.config.loading import load_config
from openim_ray.config.reloading import LiveConfig
from openim_ray.config.report import (
    Row,
    default_toml,
    describe,
    from_payload,
    reloadable_changes,
    static_changes,
    to_payload,
)
from openim_ray.config.settings import (
    ApiSection,
    AuthSection,
    ClusterSection,
    Config,
    GatewaySection,
    GroupsSection,
    InboxesSection,
    LinksSection,
    LogSection,
    PersistenceSection,
    RelationsSection,
    ServerSection,
    StorageSection,
)
from openim_ray.config.values import ConfigError, Secret

__all__ = [
    "ApiSection",
    "AuthSection",
    "ClusterSection",
    "Config",
    "ConfigError",
    "GatewaySection",
    "GroupsSection",
    "InboxesSection",
    "LinksSection",
    "LiveConfig",
    "LogSection",
    "PersistenceSection",
    "RelationsSection",
    "Row",
    "Secret",
    "ServerSection",
    "StorageSection",
    "default_toml",
    "describe",
    "from_payload",
    "load_config",
    "reloadable_changes",
    "static_changes",
    "to_payload",
]
