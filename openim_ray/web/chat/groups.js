// The groups of the signed-in user: what they are called, who is in them, and what may be done to them (OpenIM wire, §6.5).

import { Fault } from "./faults.js";
import * as notifications from "./notifications.js";
import { Reload } from "./reload.js";

export const Role = { OWNER: 100, ADMIN: 60, MEMBER: 20 };

/** needVerification: who comes in without being let in by owner or admins (OpenIM wire, §4.2). */
export const Joining = { INVITED: 0, NOBODY: 1, ANYBODY: 2 };

const WORK_GROUP = 2; // the only type of groups there is
const BY_SEARCH = 3; // joinSource
const DISMISSED = 2;
const MUTED = 3;

const GROUPS_PER_CALL = 100;

/** The largest page that the server gives. More joined groups than this are known when they are written in. */
const JOINED_PAGE = { pageNumber: 1, showNumber: 1_000 };
const MEMBERS_PER_PAGE = 100;

export class Groups {
  /** The group that is looked at, "" for none; and what is known of its members only then. */
  openID = "";
  /** GroupMemberFullInfo: owner, admins, then the others by the time they joined. As many as were asked for. */
  members = [];
  /** This user's own GroupMemberFullInfo in that group; null until it is known, and for who is no member. */
  own = null;
  #userID;
  #ask;
  #changed;
  #infos = new Map(); // groupID → GroupInfo
  #joined = new Set();
  #isLearned = false;
  #pages = 1;
  #reload = new Reload(() => this.#load());

  /** `ask(route, body)` resolves to an answer's data or rejects with a Fault; `changed()` is called when there is something new. */
  constructor(userID, ask, changed) {
    this.#userID = userID;
    this.#changed = changed;
    this.#ask = (route, body) => ask(`group/${route}`, body);
  }

  nameOf(groupID) {
    return this.#infos.get(groupID)?.groupName || `Group ${groupID}`;
  }

  /** GroupInfo; undefined if it is not known. */
  infoOf(groupID) {
    return this.#infos.get(groupID);
  }

  /** GroupInfo of the groups that the user is in, by name. */
  get joined() {
    const infos = [...this.#joined].map((groupID) => this.#infos.get(groupID)).filter((group) => group !== undefined);
    return infos.sort((one, other) => one.groupName.localeCompare(other.groupName));
  }

  hasJoined(groupID) {
    return this.#joined.has(groupID);
  }

  /** Whether the user is known to be in it no more. */
  hasLeft(groupID) {
    return this.#isLearned && !this.#joined.has(groupID);
  }

  /** Whether it is a group that the user could come to. */
  canJoin(groupID) {
    return this.hasLeft(groupID) && this.#infos.has(groupID) && !this.isDismissed(groupID);
  }

  /** Whether the group is the one that is looked at, and this user may not write in it for a while. */
  isSilenced(groupID) {
    return groupID === this.openID && this.own?.muteEndTime > Date.now();
  }

  /** A value of `Joining`; undefined if it is not known. */
  joiningOf(groupID) {
    return this.#infos.get(groupID)?.needVerification;
  }

  isDismissed(groupID) {
    return this.#infos.get(groupID)?.status === DISMISSED;
  }

  isMuted(groupID) {
    return this.#infos.get(groupID)?.status === MUTED;
  }

  /** Whether there are members that were not asked for yet. */
  get hasMore() {
    return this.members.length < (this.#infos.get(this.openID)?.memberCount ?? 0) && this.members.length === this.#pages * MEMBERS_PER_PAGE;
  }

  /** Which groups the user is in, and what these and the given ones are. Rejects with a Fault. */
  async learn(groupIDs) {
    const { groups } = await this.#ask("get_joined_group_list", { fromUserID: this.#userID, pagination: JOINED_PAGE });
    this.#joined = new Set((groups ?? []).map(({ groupID }) => groupID));
    this.#isLearned = true;
    for (const group of groups ?? []) this.#hear(group);
    await this.#learnInfos(groupIDs.filter((groupID) => !this.#joined.has(groupID)));
  }

  /** Looks at another group, or at none (""). Rejects with a Fault. */
  async open(groupID) {
    if (groupID !== this.openID) Object.assign(this, { openID: groupID, members: [], own: null });
    this.#pages = 1;
    await this.reload();
  }

  /** What is looked at, anew. Rejects with a Fault. */
  reload() {
    return this.#reload.run();
  }

  showMore() {
    this.#pages += 1;
    return this.reload();
  }

  /** Takes from a notification what it tells; whether it was one of a group. */
  heed(message) {
    const told = notifications.toldOf(message);
    if (told === null) return false;
    if (told.group) this.#hear(told.group);
    for (const userID of told.came) if (userID === this.#userID) this.#joined.add(told.groupID);
    for (const userID of told.went) if (userID === this.#userID) this.#joined.delete(told.groupID);
    if (told.isEnd) this.#joined.delete(told.groupID);
    return true;
  }

  /** What this user may do in the group that is looked at (the server's table says the same, and has the last word). */
  get rights() {
    const role = this.#joined.has(this.openID) ? (this.own?.roleLevel ?? 0) : 0;
    const isStaff = role >= Role.ADMIN;
    const isOwner = role === Role.OWNER;
    return { invite: role > 0, change: isStaff, answer: isStaff, muteGroup: isStaff, leave: role > 0 && !isOwner, dismiss: isOwner };
  }

  /** Whether those whom this user invites must be let in by somebody else. */
  get proposesOnly() {
    const { invite, answer } = this.rights;
    return invite && !answer && this.joiningOf(this.openID) === Joining.NOBODY;
  }

  /** What this user may do to a member of that group: those who run it, to those below them. */
  rightsOver({ roleLevel }) {
    const role = this.rights.invite ? this.own.roleLevel : 0;
    const isAbove = role >= Role.ADMIN && role > roleLevel; // nobody is above herself
    return { kick: isAbove, mute: isAbove, setRole: isAbove && role === Role.OWNER };
  }

  // --- changes; each rejects with a Fault

  /** The new group's id. */
  async create(groupName, memberUserIDs) {
    const groupInfo = { groupName, groupType: WORK_GROUP };
    const body = { ownerUserID: this.#userID, memberUserIDs, adminUserIDs: [], groupInfo };
    const made = await this.#ask("create_group", body);
    this.#hear(made.groupInfo);
    this.#joined.add(made.groupInfo.groupID);
    return made.groupInfo.groupID;
  }

  /** Joins a group, or asks to be let in; resolves to whether the user is in it now. */
  async join(groupID, reqMessage) {
    await this.#learnInfos([groupID]);
    if (!this.#infos.has(groupID)) throw new Fault(1201, groupID);
    if (this.isDismissed(groupID)) throw new Fault(1204);
    if (!this.#joined.has(groupID)) {
      await this.#ask("join_group", { groupID, reqMessage, joinSource: BY_SEARCH, inviterUserID: this.#userID, ex: "" });
      await this.learn([]);
    }
    return this.#joined.has(groupID);
  }

  rename(groupName) {
    return this.#change("set_group_info_ex", { groupName });
  }

  /** Says who may come in: a value of `Joining`. */
  setJoining(needVerification) {
    return this.#change("set_group_info_ex", { needVerification });
  }

  invite(invitedUserIDs) {
    return this.#change("invite_user_to_group", { invitedUserIDs, reason: "" });
  }

  kick(userID) {
    return this.#change("kick_group", { kickedUserIDs: [userID], reason: "" });
  }

  mute(userID, mutedSeconds) {
    return this.#change("mute_group_member", { userID, mutedSeconds });
  }

  unmute(userID) {
    return this.#change("cancel_mute_group_member", { userID });
  }

  muteAll() {
    return this.#change("mute_group", {});
  }

  unmuteAll() {
    return this.#change("cancel_mute_group", {});
  }

  async setRole(userID, roleLevel) {
    await this.#ask("set_group_member_info", { members: [{ groupID: this.openID, userID, roleLevel }] });
    await this.reload();
  }

  transfer(newOwnerUserID) {
    return this.#change("transfer_group", { oldOwnerUserID: this.#userID, newOwnerUserID });
  }

  leave() {
    return this.#end("quit_group", { userID: this.#userID });
  }

  dismiss() {
    return this.#end("dismiss_group", { deleteMember: false });
  }

  async #change(route, body) {
    await this.#ask(route, { groupID: this.openID, ...body });
    await this.reload();
  }

  async #end(route, body) {
    const groupID = this.openID;
    await this.#ask(route, { groupID, ...body });
    this.#joined.delete(groupID);
    await this.reload();
  }

  // --- reading

  async #load() {
    const groupID = this.openID;
    if (groupID === "") return;
    const [members, own] = this.#joined.has(groupID) ? await this.#readMembers(groupID) : [[], null];
    await this.#learnInfos([groupID]);
    if (groupID === this.openID) Object.assign(this, { members, own });
    this.#changed();
  }

  async #readMembers(groupID) {
    const asked = Array.from({ length: this.#pages }, (_, index) => this.#ask("get_group_member_list", pageOf(groupID, index + 1)));
    const own = this.#ask("get_group_members_info", { groupID, userIDs: [this.#userID] });
    const [found, ...pages] = await Promise.all([own, ...asked]);
    return [pages.flatMap(({ members }) => members ?? []), found.members?.[0] ?? null];
  }

  async #learnInfos(groupIDs) {
    for (let at = 0; at < groupIDs.length; at += GROUPS_PER_CALL) {
      const { groupInfos } = await this.#ask("get_groups_info", { groupIDs: groupIDs.slice(at, at + GROUPS_PER_CALL) });
      for (const group of groupInfos ?? []) this.#hear(group);
    }
  }

  #hear(group) {
    this.#infos.set(group.groupID, group);
  }
}

function pageOf(groupID, pageNumber) {
  return { groupID, filter: 0, keyword: "", pagination: { pageNumber, showNumber: MEMBERS_PER_PAGE } };
}
