"""
From configuration to what actors are made with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.actors.refs import LinkSettings
from openim_ray.config import Config, from_payload
from openim_ray.core.placement import Placement
from openim_ray.core.shard_settings import ShardSettings
from openim_ray.telemetry import configure_logging

if TYPE_CHECKING:
    from collections.abc import Sequence

SUPERVISOR = "supervisor"


def load_actor_config(payload: bytes, name: str) -> Config:
    """
    Read the configuration an actor was made with, and set its process's logging up.
    """
    config = from_payload(payload)
    configure_logging(config, name)
    return config


def gateway_names(config: Config) -> Sequence[str]:
    """
    Return the names of the gateway actors.
    """
    return tuple(f"gateway-{number}" for number in range(config.gateway.actors))


def shard_names(config: Config) -> tuple[str, ...]:
    """
    Return the names of the shared inbox actors.
    """
    return tuple(f"inbox-{number}" for number in range(config.inboxes.actors))


def persistence_names(config: Config) -> tuple[str, ...]:
    """
    Return the names of the persistence actors.
    """
    return tuple(f"persistence-{number}" for number in range(config.persistence.actors))


def first_placement(config: Config) -> Placement:
    """
    Return the placement of a server that has no dedicated inboxes (yet).
    """
    return Placement(epoch=1, shards=shard_names(config))


def link_settings(config: Config) -> LinkSettings:
    """
    Return the limits of links.
    """
    links = config.links
    return LinkSettings(
        links.window_ms / 1000, links.window_bytes_max, links.queue_max, links.queue_bytes_max, links.hole_ms / 1000
    )


def shard_settings(config: Config) -> ShardSettings:
    """
    Return the limits of a shard.
    """
    return ShardSettings(
        multi_login_policy=config.auth.multi_login_policy,
        idle_seconds=float(config.inboxes.idle_seconds),
        buffer_deliveries=config.inboxes.buffer_deliveries,
        lease_seconds=float(config.links.lease_seconds),
    )
