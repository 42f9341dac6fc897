from __future__ import annotations

from openim_ray.protocol.identifiers import (
    NOTIFICATION_CONTENT_TYPES,
    PLATFORM_CLASS,
    PLATFORM_NAME,
    ContentType,
    Platform,
    PlatformClass,
)


def test_every_platform_has_a_class_and_a_name() -> None:
    """Policies and admin answers need both."""
    assert list(range(1, 12)) == sorted(Platform)
    assert set(Platform) == PLATFORM_CLASS.keys() == PLATFORM_NAME.keys()
    assert set(PlatformClass) == set(PLATFORM_CLASS.values())


def test_content_types_of_users_and_notifications_are_apart() -> None:
    """The range of notifications holds all of them and nothing that a user sends."""
    users = {number for number in ContentType if number < 1000}

    assert max(users) == ContentType.CUSTOM_ONLINE_ONLY
    assert all(number in NOTIFICATION_CONTENT_TYPES for number in set(ContentType) - users)
    assert (1000 in NOTIFICATION_CONTENT_TYPES, 5000 in NOTIFICATION_CONTENT_TYPES) == (True, True)
    assert (999 in NOTIFICATION_CONTENT_TYPES, 5001 in NOTIFICATION_CONTENT_TYPES) == (False, False)
