"""
One table of errors: what a caller is told, and whether trying again makes sense.

Every argument goes positionally to `Exception.__init__`, so that errors survive pickling between actors.
"""

from __future__ import annotations


class OpenIMError(Exception):
    """
    An error with a code of the OpenIM protocol (OpenIM wire, §6.2).

    Args:
        detail: what exactly was wrong, for the caller; never holds content or tokens.
    """

    code = 500
    name = "ServerInternalError"
    temporary = False

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.code} {self.name}: {self.detail}" if self.detail else f"{self.code} {self.name}"


class ArgsError(OpenIMError):
    """A parameter is missing or has a value that is not allowed."""

    code, name = 1001, "ArgsError"


class NoPermission(OpenIMError):
    """The caller may not do this."""

    code, name = 1002, "NoPermissionError"


class DuplicateKey(OpenIMError):
    """Something with this key is there already."""

    code, name = 1003, "DuplicateKeyError"


class RecordNotFound(OpenIMError):
    """The named thing does not exist."""

    code, name = 1004, "RecordNotFoundError"


class NotImplementedRoute(OpenIMError):
    """The route or request is known to clients but not built in this server yet."""

    code, name = 1099, "NotImplemented"


class UserIDNotFound(OpenIMError):
    """No such user."""

    code, name = 1101, "UserIDNotFoundError"


class RegisteredAlready(OpenIMError):
    """The user id is taken."""

    code, name = 1102, "RegisteredAlreadyError"


class GroupIDNotFound(OpenIMError):
    """No such group."""

    code, name = 1201, "GroupIDNotFoundError"


class GroupIDExisted(OpenIMError):
    """The group id is taken."""

    code, name = 1202, "GroupIDExistedError"


class NotInGroupYet(OpenIMError):
    """The named user is no member of the group."""

    code, name = 1203, "NotInGroupYetError"


class DismissedAlready(OpenIMError):
    """The group is over."""

    code, name = 1204, "DismissedAlreadyError"


class GroupRequestHandled(OpenIMError):
    """The application was accepted or refused before."""

    code, name = 1206, "GroupRequestHandled"


class CanNotAddYourself(OpenIMError):
    """Nobody is her own friend, or on her own black list."""

    code, name = 1301, "CanNotAddYourselfError"


class BlockedByPeer(OpenIMError):
    """The receiver has the sender on the black list."""

    code, name = 1302, "BlockedByPeer"


class MutedInGroup(OpenIMError):
    """The sender may not write to the group for a while."""

    code, name = 1402, "MutedInGroup"


class MutedGroup(OpenIMError):
    """Only owner and admins may write to the group now."""

    code, name = 1403, "MutedGroup"


class NotPeersFriend(OpenIMError):
    """The receiver takes messages of friends only, and the sender is none."""

    code, name = 1303, "NotPeersFriend"


class RelationshipAlready(OpenIMError):
    """Both are friends already."""

    code, name = 1304, "RelationshipAlreadyError"


class FriendRequestHandled(OpenIMError):
    """The application was accepted or refused before."""

    code, name = 1305, "FriendRequestHandled"


class TokenExpired(OpenIMError):
    """The token's lifetime is over."""

    code, name = 1501, "TokenExpiredError"


class TokenInvalid(OpenIMError):
    """The token belongs to another user or platform."""

    code, name = 1502, "TokenInvalidError"


class TokenMalformed(OpenIMError):
    """The token is not a JWT."""

    code, name = 1503, "TokenMalformedError"


class TokenNotValidYet(OpenIMError):
    """The token's time has not come."""

    code, name = 1504, "TokenNotValidYetError"


class TokenUnknown(OpenIMError):
    """The token's signature is wrong."""

    code, name = 1505, "TokenUnknownError"


class TokenKicked(OpenIMError):
    """A newer login or an administrator ended this token."""

    code, name = 1506, "TokenKickedError"


class TokenNotExist(OpenIMError):
    """The token is well formed but was never issued, or is gone."""

    code, name = 1507, "TokenNotExistError"


class ConnectionLimit(OpenIMError):
    """The server holds as many connections as it may."""

    code, name = 1601, "ConnOverMaxNumLimit"


class ConnectionArguments(OpenIMError):
    """A handshake parameter is missing or wrong."""

    code, name = 1602, "ConnArgsErr"


class Unavailable(OpenIMError):
    """A store or an actor can't answer now; the same call may be made again."""

    code, name, temporary = 90002, "DatabaseError", True


class HistoryUnavailable(Unavailable):
    """Old messages can't be read now; recent ones, from the seq `floor` on, can."""

    def __init__(self, detail: str = "", floor: int = 0) -> None:
        super().__init__(detail)
        self.args = (detail, floor)
        self.floor = floor


class Overloaded(OpenIMError):
    """A limit is reached; the same call may be made again later."""

    code, name, temporary = 90004, "NetworkError", True


class Superseded(Exception):
    """
    Another owner has taken the partition; whoever hears this must answer nothing for it.
    """

    def __init__(self, partition: str, epoch: int) -> None:
        super().__init__(partition, epoch)
        self.partition = partition
        self.epoch = epoch


class UnsuitableStore(Exception):
    """
    A database server is not one on which the promises can be kept; the text says why. Waiting doesn't help.
    """


class SchemaTooNew(Exception):
    """
    A stored file or database was written by a newer server; this one must not touch it.
    """

    def __init__(self, file: str, found: str, known: str) -> None:
        super().__init__(file, found, known)
        self.file = file
        self.found = found
        self.known = known

    def __str__(self) -> str:
        return f"{self.file} has schema {self.found}, this server knows schemas up to {self.known}: run a newer server"


class SchemaTooOld(Exception):
    """
    A file or database is not there, or was written by an older server; whoever only reads must not change that.
    """

    def __init__(self, file: str, found: str, known: str) -> None:
        super().__init__(file, found, known)
        self.file = file
        self.found = found
        self.known = known

    def __str__(self) -> str:
        found = f"has schema {self.found}" if self.found else "holds nothing of this server yet"
        return f"{self.file} {found}: start the server once, which brings it to schema {self.known}"


class StoreDamaged(Unavailable):
    """
    A stored file is not what was written, so that the database can't read what was asked for; the rest may be readable.
    """


def error_from_code(code: int, detail: str = "") -> OpenIMError:
    """
    Return the error of a code, for results that crossed a process boundary as (code, detail).
    """
    return _BY_CODE.get(code, OpenIMError)(detail)


_BY_CODE: dict[int, type[OpenIMError]] = {cls.code: cls for cls in OpenIMError.__subclasses__()}
