"""
What programs may put into messages, by content type (OpenIM wire, §4.3, §5.6, §6.8): the forms of `content`.

A form names what clients can't do without. What it doesn't name passes as it is: clients read over what they don't know.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from openim_ray.protocol.identifiers import ContentType
from openim_ray.protocol.malformed import ProtocolError
from openim_ray.protocol.messages import SAFE_INTEGER_MAX

_Text = str | None
_Needed = Annotated[str, msgspec.Meta(min_length=1)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=SAFE_INTEGER_MAX)] | None
_Flag = bool | None
_Object = dict[str, Any]
_MIX_TYPE_MAX: Final = 5


class _Written(msgspec.Struct):
    content: _Needed


class _PictureFile(msgspec.Struct):
    url: _Needed
    uuid: _Text = None
    type: _Text = None
    size: _Count = None
    width: _Count = None
    height: _Count = None


class _Picture(msgspec.Struct):
    sourcePicture: _PictureFile
    bigPicture: _PictureFile
    snapshotPicture: _PictureFile
    sourcePath: _Text = None


class _Voice(msgspec.Struct):
    sourceUrl: _Needed
    uuid: _Text = None
    soundPath: _Text = None
    dataSize: _Count = None
    duration: _Count = None
    soundType: _Text = None


class _Video(msgspec.Struct):
    videoUrl: _Needed
    videoPath: _Text = None
    videoUUID: _Text = None
    videoType: _Text = None
    videoSize: _Count = None
    duration: _Count = None
    snapshotPath: _Text = None
    snapshotUUID: _Text = None
    snapshotSize: _Count = None
    snapshotUrl: _Text = None
    snapshotWidth: _Count = None
    snapshotHeight: _Count = None
    snapshotType: _Text = None


class _File(msgspec.Struct):
    sourceUrl: _Needed
    fileName: _Needed
    filePath: _Text = None
    uuid: _Text = None
    fileSize: _Count = None
    fileType: _Text = None


class _AtUser(msgspec.Struct):
    atUserID: _Text = None
    groupNickname: _Text = None


class _AtText(msgspec.Struct):
    text: _Needed
    atUserList: list[str] | None = None
    atUsersInfo: list[_AtUser] | None = None
    quoteMessage: _Object | None = None
    isAtSelf: _Flag = None


class _Custom(msgspec.Struct):
    data: str
    description: _Text = None
    extension: _Text = None


class _Quote(msgspec.Struct):
    text: _Needed
    quoteMessage: _Object
    messageEntityList: list[_Object] | None = None


class _Notification(msgspec.Struct):
    notificationName: _Needed
    text: _Needed
    notificationFaceURL: _Text = None
    notificationType: _Count = None
    url: _Text = None
    externalUrl: _Text = None
    mixType: Annotated[int, msgspec.Meta(ge=0, le=_MIX_TYPE_MAX)] | None = None
    pictureElem: _Object | None = None
    soundElem: _Object | None = None
    videoElem: _Object | None = None
    fileElem: _Object | None = None
    ex: _Text = None


_DECODERS: Final = {
    int(content_type): msgspec.json.Decoder(form)
    for content_type, form in {
        ContentType.TEXT: _Written,
        ContentType.PICTURE: _Picture,
        ContentType.VOICE: _Voice,
        ContentType.VIDEO: _Video,
        ContentType.FILE: _File,
        ContentType.AT_TEXT: _AtText,
        ContentType.CUSTOM: _Custom,
        ContentType.QUOTE: _Quote,
        ContentType.MARKDOWN: _Written,
        ContentType.OA_NOTIFICATION: _Notification,
    }.items()
}

CONTENT_TYPES: Final = frozenset(_DECODERS)
"""What programs may send over HTTP."""


def mentioned(content_type: int, content: bytes) -> list[str]:
    """
    Check the `content` of a message (a JSON object), and return the users whom it mentions.

    Raises:
        ProtocolError: it doesn't have the form of its content type, which is one of `CONTENT_TYPES`; the detail names the field, never its value.
    """
    try:
        form: Any = _DECODERS[content_type].decode(content)
    except msgspec.ValidationError as error:
        raise ProtocolError(_fault(str(error))) from None
    return form.atUserList or [] if isinstance(form, _AtText) else []


def notification_content(detail: bytes) -> bytes:
    """
    Return the content of a notification whose tips (JSON) are given: clients find them as a text in `detail` (OpenIM wire, §5.1).
    """
    return msgspec.json.encode({"detail": detail.decode()})


def _fault(text: str) -> str:
    """Return msgspec's words with the place in front, as every other refusal has it."""
    reason, _, place = text.partition(" - at `$")
    return f"content{place.rstrip('`')}: {reason}"
