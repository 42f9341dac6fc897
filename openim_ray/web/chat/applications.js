// Applications to join groups: those that this user may answer, and her own (OpenIM wire, §6.5).

import { toldOf } from "./notifications.js";
import { Reload } from "./reload.js";

/** One page of each list is read, the largest that the server gives. */
const PAGE = { pageNumber: 1, showNumber: 1_000 };

const UNANSWERED = 0;
const ACCEPT = 1;
const REFUSE = -1;

/** In so many groups it is looked up who came in by another way meanwhile. In others they are shown until they are answered. */
const GROUPS_LOOKED_UP_MAX = 20;

/** So long it is shown that an application was refused. */
const REFUSED_SHOWN_MS = 7 * 86_400_000;

const NOTIFICATIONS = new Set([1503, 1505, 1506]);

export class Applications {
  /** GroupRequest to the groups that this user runs, the newest first. */
  received = [];
  /** GroupRequest of this user that wait for an answer, or were refused lately. */
  sent = [];
  #userID;
  #ask;
  #changed;
  #reload = new Reload(() => this.#load());

  /** `ask(route, body)` resolves to an answer's data or rejects with a Fault; `changed()` is called when there is something new. */
  constructor(userID, ask, changed) {
    this.#userID = userID;
    this.#changed = changed;
    this.#ask = (route, body) => ask(`group/${route}`, body);
  }

  /** Who invited the applicants; only these themselves come with their names. */
  get inviterIDs() {
    const requests = [...this.received, ...this.sent];
    return [...new Set(requests.map(({ inviterUserID }) => inviterUserID).filter((userID) => userID !== ""))];
  }

  to(groupID) {
    return this.received.filter(({ groupInfo }) => groupInfo.groupID === groupID);
  }

  /** Whether an application of this user waits for an answer. */
  hasAsked(groupID) {
    return this.sent.some((request) => request.groupInfo.groupID === groupID && !isRefused(request));
  }

  /** Reads both lists. Rejects with a Fault; then they stay as they were. */
  load() {
    return this.#reload.run();
  }

  /** Whether a notification says that a list has changed, which groups this user runs, or that an applicant is in without an answer. */
  concerns(message) {
    if (NOTIFICATIONS.has(message.contentType)) return true;
    const told = toldOf(message);
    if (told === null) return false;
    if (told.isEnd || [...told.came, ...told.went, ...told.roles].includes(this.#userID)) return true;
    return this.to(told.groupID).some(({ userInfo }) => told.came.includes(userInfo.userID));
  }

  accept(request) {
    return this.#respond(request, ACCEPT);
  }

  refuse(request) {
    return this.#respond(request, REFUSE);
  }

  async #respond({ groupInfo, userInfo }, handleResult) {
    const body = { groupID: groupInfo.groupID, fromUserID: userInfo.userID, handleResult, handledMsg: "" };
    try {
      await this.#ask("group_application_response", body);
    } finally {
      await this.load(); // somebody else may have been faster
    }
  }

  async #load() {
    const query = { pagination: PAGE, groupIDs: [] };
    const [received, sent] = await Promise.all([
      this.#ask("get_recv_group_applicationList", { ...query, fromUserID: this.#userID, handleResults: [UNANSWERED] }),
      this.#ask("get_user_req_group_applicationList", { ...query, userID: this.#userID, handleResults: [UNANSWERED, REFUSE] }),
    ]);
    this.received = await this.#withoutMembers((received.groupRequests ?? []).filter(isOfGroup));
    this.sent = (sent.groupRequests ?? []).filter(isOfGroup).filter(isRecent);
    this.#changed();
  }

  /** The server lets an application wait when the applicant was invited, or joined by herself. */
  async #withoutMembers(requests) {
    const groupIDs = [...new Set(requests.map(({ groupInfo }) => groupInfo.groupID))].slice(0, GROUPS_LOOKED_UP_MAX);
    const members = await Promise.all(groupIDs.map((groupID) => this.#membersAmong(groupID, requests)));
    const there = new Set(members.flat());
    return requests.filter((request) => !there.has(keyOf(request)));
  }

  async #membersAmong(groupID, requests) {
    const asked = requests.filter(({ groupInfo }) => groupInfo.groupID === groupID);
    const userIDs = asked.map(({ userInfo }) => userInfo.userID);
    const none = () => ({ members: [] }); // they stay in the list, and an answer to a member does no harm
    const { members } = await this.#ask("get_group_members_info", { groupID, userIDs }).catch(none);
    const there = new Set((members ?? []).map(({ userID }) => userID));
    return asked.filter(({ userInfo }) => there.has(userInfo.userID)).map(keyOf);
  }
}

/** Tells one application from another. */
export function keyOf({ groupInfo, userInfo }) {
  return JSON.stringify([groupInfo.groupID, userInfo.userID]);
}

export function isRefused({ handleResult }) {
  return handleResult === REFUSE;
}

function isOfGroup({ groupInfo }) {
  return Boolean(groupInfo);
}

function isRecent(request) {
  return !isRefused(request) || request.handleTime > Date.now() - REFUSED_SHOWN_MS;
}
