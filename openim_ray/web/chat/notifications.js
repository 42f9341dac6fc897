// The server's notifications of friends and groups in a chat: as sentences, and as what they change (OpenIM wire, §5.4).

import { tips } from "./tips.js";

const NAMES_MAX = 5;

const MINUTE = 60;
const HOUR = 3_600;
const DAY = 86_400;

// What each says: `by` is who did it, `name(member, "you")` and `names(members)` put others into words.
const SENTENCES = {
  1201: () => "You are friends now.",
  1501: (told) => `${told.by} created the group.`,
  1502: (told) => `${told.by} changed the settings of the group.`,
  1504: (told) => `${told.name(told.tips.quitUser)} left the group.`,
  1507: (told) => `${told.by} made ${told.name(told.tips.newGroupOwner, "you")} the owner of the group.`,
  1508: (told) => `${told.by} removed ${told.names(told.tips.kickedUserList)} from the group.`,
  1509: (told) => `${told.by} added ${told.names(told.tips.invitedUserList)} to the group.`,
  1510: (told) => `${told.name(told.tips.entrantUser)} joined the group.`,
  1511: (told) => `${told.by} dismissed the group.`,
  1512: (told) => `${told.by} muted ${told.name(told.tips.mutedUser, "you")} for ${duration(told.tips.mutedSeconds)}.`,
  1513: (told) => `${told.by} unmuted ${told.name(told.tips.mutedUser, "you")}.`,
  1514: (told) => `${told.by} muted the group: only its admins can write.`,
  1515: (told) => `${told.by} unmuted the group.`,
  1516: (told) => `${told.by} changed the member details of ${told.name(told.tips.changedUser, "you")}.`,
  1517: (told) => `${told.by} made ${told.name(told.tips.changedUser, "you")} an admin.`,
  1518: (told) => `${told.by} made ${told.name(told.tips.changedUser, "you")} an ordinary member again.`,
  1519: (told) => `${told.by} announced: ${string(told.tips.group?.notification)}`,
  1520: (told) => `${told.by} named the group “${string(told.tips.group?.groupName)}”.`,
};

/** A plain sentence, from where `readerID` stands; "" for any other message. */
export function sentence(message, readerID) {
  const { contentType } = message;
  const say = SENTENCES[contentType];
  if (say === undefined) return "";
  const told = tips(message);
  const name = (member, you = "You") => nameOf(member, readerID, you);
  const names = (members) => listed(members, readerID);
  return say({ tips: told, by: name(told.opUser), name, names });
}

/**
 * What a notification says of a group: {groupID, group, came, went, roles, isEnd}, with the GroupInfo if it names one, and the ids of who came,
 * who went, and whose role changed. Null if it is of something else.
 */
export function toldOf(message) {
  const { contentType } = message;
  if (contentType < 1501 || contentType > 1520) return null;
  const told = tips(message);
  const groupID = string(told.group?.groupID) || message.groupID;
  const [came, went, roles] = [comers, leavers, promoted].map((named) => idsOf(named(contentType, told)));
  return { groupID, group: infoIn(told), came, went, roles, isEnd: contentType === 1511 };
}

function infoIn({ group }) {
  return typeof group?.groupID === "string" && group.groupID !== "" ? group : null;
}

function comers(contentType, told) {
  if (contentType === 1501) return [told.groupOwnerUser, ...list(told.memberList)];
  if (contentType === 1509) return list(told.invitedUserList);
  return contentType === 1510 ? [told.entrantUser] : [];
}

function leavers(contentType, told) {
  if (contentType === 1504) return [told.quitUser];
  return contentType === 1508 ? list(told.kickedUserList) : [];
}

function promoted(contentType, told) {
  if (contentType === 1507) return [told.newGroupOwner, told.oldGroupOwnerInfo];
  return contentType === 1517 || contentType === 1518 ? [told.changedUser] : [];
}

function idsOf(members) {
  return members.map((member) => string(member?.userID)).filter((userID) => userID !== "");
}

function nameOf(member, readerID, you) {
  const userID = string(member?.userID);
  if (userID === "") return "Somebody";
  return userID === readerID ? you : string(member.nickname) || userID;
}

function listed(members, readerID) {
  const names = list(members).map((member) => nameOf(member, readerID, "you"));
  const [shown, more] = [names.slice(0, NAMES_MAX), names.length - NAMES_MAX];
  if (more > 0) return `${shown.join(", ")} and ${more} more`;
  return shown.length > 1 ? `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}` : (shown[0] ?? "somebody");
}

function duration(seconds) {
  if (seconds >= DAY) return counted(seconds / DAY, "day");
  if (seconds >= HOUR) return counted(seconds / HOUR, "hour");
  return seconds >= MINUTE ? counted(seconds / MINUTE, "minute") : counted(Number(seconds) || 0, "second");
}

function counted(amount, unit) {
  const count = Math.round(amount);
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

// Tips come from the server, but what is in them was chosen by others.
function list(value) {
  return Array.isArray(value) ? value : [];
}

function string(value) {
  return typeof value === "string" ? value : "";
}
