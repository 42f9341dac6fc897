// About a group: its members, and what this user may do to it and to them. What she may not do is not offered.

import { onSubmit, showActions } from "./actions.js";
import { applicationOf } from "./application_rows.js";
import { part, setText, showAvatar } from "./dom.js";
import { showFault } from "./fault_view.js";
import { Fault } from "./faults.js";
import { Joining, Role } from "./groups.js";
import { friendChoices, PeoplePicker } from "./people_picker.js";
import { showPeople } from "./people_rows.js";
import { until } from "./times.js";

const ROLE_WORDS = { [Role.OWNER]: "owner", [Role.ADMIN]: "admin", [Role.MEMBER]: "" };

const JOINING_WORDS = {
  [Joining.ANYBODY]: "Anybody can join by this id.",
  [Joining.INVITED]: "Members can invite; who joins by this id must be let in by the owner or an admin.",
  [Joining.NOBODY]: "Whoever wants to join must be let in by the owner or an admin.",
};

/** How long a member can be muted for, in seconds. */
const MUTES = [
  ["Mute for 10 minutes", 600],
  ["Mute for a day", 86_400],
];

export class GroupPanel {
  #picker = null;
  #groups = null;
  #write;

  /** `write(userID)` opens the chat with a member; it may reject with a Fault. */
  constructor(root, write) {
    this.root = root;
    this.#write = write;
    onSubmit(part(root, "rename"), () => this.#rename());
    onSubmit(part(root, "joining"), () => this.#setJoining());
    onSubmit(part(root, "invite"), () => this.#invite());
    showActions(part(root, "more-members"), [{ words: "Show more members", run: () => this.#groups.showMore() }], part(root, "fault"));
  }

  reset(chat) {
    this.#groups = chat.groups;
    this.#resetInvite();
    part(this.root, "rename").groupName.value = chat.groups.infoOf(chat.groups.openID)?.groupName ?? "";
    part(this.root, "joining").needVerification.value = String(chat.groups.joiningOf(chat.groups.openID));
    setText(part(this.root, "told"), "");
    for (const place of this.root.querySelectorAll(".fault")) showFault(place, null);
    for (const fold of this.root.querySelectorAll("details")) fold.open = false;
  }

  render(chat, { otherID }) {
    const { groups } = chat;
    const { rights } = groups;
    showAvatar(part(this.root, "panel-avatar"), otherID, groups.nameOf(otherID));
    setText(part(this.root, "panel-name"), groups.nameOf(otherID));
    setText(part(this.root, "panel-id"), otherID);
    setText(part(this.root, "panel-joining"), joiningLine(chat, otherID));
    part(this.root, "rename-fold").hidden = !rights.change;
    part(this.root, "joining-fold").hidden = !rights.change;
    part(this.root, "invite-fold").hidden = !rights.invite;
    if (!groups.proposesOnly) setText(part(this.root, "told"), "");
    this.#picker.offer(friendChoices(chat, groups.members.map(({ userID }) => userID)));
    this.#renderApplications(chat, rights.answer ? chat.applications.to(otherID) : []);
    this.#renderMembers(chat);
    showActions(part(this.root, "panel-actions"), groupActions(chat, otherID), part(this.root, "fault"));
  }

  #renderApplications(chat, requests) {
    part(this.root, "applications-section").hidden = requests.length === 0;
    setText(part(this.root, "applications-title"), `Want to join (${requests.length})`);
    const people = requests.map((request) => applicationOf(chat, request, false));
    showPeople(part(this.root, "applications"), people, part(this.root, "applications-fault"));
  }

  #renderMembers({ groups, userID }) {
    const people = groups.members.map((member) => this.#personOf(groups, member, userID));
    part(this.root, "members-section").hidden = people.length === 0;
    setText(part(this.root, "members-title"), `Members (${groups.infoOf(groups.openID)?.memberCount ?? people.length})`);
    showPeople(part(this.root, "members"), people, part(this.root, "members-fault"), "member");
    part(this.root, "more-members").hidden = !groups.hasMore;
  }

  #personOf(groups, member, ownID) {
    const { userID, nickname, roleLevel } = member;
    const isMuted = member.muteEndTime > Date.now();
    const name = (nickname || userID) + (userID === ownID ? " (you)" : "");
    const line = [ROLE_WORDS[roleLevel], isMuted && `muted until ${until(member.muteEndTime, Date.now())}`].filter(Boolean).join(", ");
    const write = userID === ownID ? [] : [{ words: "Write", run: () => this.#write(userID) }];
    return { userID, name, line, actions: [...write, ...memberActions(groups, member, isMuted)] };
  }

  async #rename() {
    const name = part(this.root, "rename").groupName.value.trim();
    if (name === "") throw new Fault("NO_NAME");
    await this.#groups.rename(name);
    part(this.root, "rename-fold").open = false;
  }

  async #setJoining() {
    await this.#groups.setJoining(Number(part(this.root, "joining").needVerification.value));
    part(this.root, "joining-fold").open = false;
  }

  async #invite() {
    setText(part(this.root, "told"), "");
    if (this.#picker.userIDs.length === 0) throw new Fault("NOBODY");
    const { proposesOnly } = this.#groups;
    await this.#groups.invite(this.#picker.userIDs);
    this.#resetInvite();
    part(this.root, "invite-fold").open = false;
    if (proposesOnly) setText(part(this.root, "told"), "The owner and the admins were asked to let them in.");
  }

  #resetInvite() {
    part(this.root, "invite").reset();
    this.#picker = new PeoplePicker(part(this.root, "picker"));
  }
}

function joiningLine({ groups, applications }, groupID) {
  if (groups.hasJoined(groupID)) return JOINING_WORDS[groups.joiningOf(groupID)] ?? "";
  if (!groups.canJoin(groupID)) return "";
  return applications.hasAsked(groupID) ? "You are not in this group. You have asked to join." : "You are not in this group.";
}

function memberActions(groups, member, isMuted) {
  const { userID, roleLevel } = member;
  const { mute, kick, setRole } = groups.rightsOver(member);
  const mutes = MUTES.map(([words, seconds]) => ({ words, run: () => groups.mute(userID, seconds) }));
  const unmute = { words: "Unmute", run: () => groups.unmute(userID) };
  const raise = { words: "Make admin", run: () => groups.setRole(userID, Role.ADMIN) };
  const lower = { words: "Make ordinary member", run: () => groups.setRole(userID, Role.MEMBER) };
  const transfer = { words: "Make owner", sure: "Really hand the group over?", run: () => groups.transfer(userID) };
  const remove = { words: "Remove", sure: "Really remove?", run: () => groups.kick(userID) };
  return [
    ...(mute ? (isMuted ? [unmute] : mutes) : []),
    ...(setRole ? [roleLevel === Role.ADMIN ? lower : raise, transfer] : []),
    ...(kick ? [remove] : []),
  ];
}

function groupActions(chat, groupID) {
  const { applications, groups } = chat;
  if (groups.canJoin(groupID) && !applications.hasAsked(groupID)) return [{ words: "Ask to join", run: () => chat.joinGroup(groupID, "") }];
  const { muteGroup, leave, dismiss } = groups.rights;
  const mute = { words: "Mute the group", run: () => groups.muteAll() };
  const unmute = { words: "Unmute the group", run: () => groups.unmuteAll() };
  return [
    ...(muteGroup ? [groups.isMuted(groupID) ? unmute : mute] : []),
    ...(leave ? [{ words: "Leave the group", sure: "Really leave?", run: () => groups.leave() }] : []),
    ...(dismiss ? [{ words: "Dismiss the group", sure: "Really dismiss it for everybody?", run: () => groups.dismiss() }] : []),
  ];
}
