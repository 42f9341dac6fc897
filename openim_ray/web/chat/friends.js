// Friends, applications and the block list of the signed-in user (OpenIM wire, §6.4).

import { Reload } from "./reload.js";

/** One page of each list is read, the largest that the server gives. Beyond it friends are there, but not listed. */
const PAGE = { pageNumber: 1, showNumber: 1_000 };

const UNANSWERED = 0;
const ACCEPT = 1;
const REFUSE = -1;

const FIRST_NOTIFICATION = 1201;
const LAST_NOTIFICATION = 1210;

export class Friends {
  /** FriendInfo, in the server's order. */
  list = [];
  /** FriendRequest that wait for this user's answer. */
  received = [];
  /** FriendRequest that wait for the other's answer. */
  sent = [];
  /** BlackInfo. */
  blocked = [];
  #userID;
  #ask;
  #changed;
  #reload = new Reload(() => this.#load());

  /** `ask(route, body)` resolves to an answer's data or rejects with a Fault; `changed()` is called when there is something new. */
  constructor(userID, ask, changed) {
    this.#userID = userID;
    this.#changed = changed;
    this.#ask = ask;
  }

  /** Reads all lists. Rejects with a Fault; then all stay as they were. */
  load() {
    return this.#reload.run();
  }

  /** Whether a notification says that a list has changed. */
  concerns({ contentType }) {
    return contentType >= FIRST_NOTIFICATION && contentType <= LAST_NOTIFICATION;
  }

  has(userID) {
    return this.list.some(({ friendUser }) => friendUser.userID === userID);
  }

  hasBlocked(userID) {
    return this.blocked.some(({ blackUserInfo }) => blackUserInfo.userID === userID);
  }

  hasAsked(userID) {
    return this.sent.some(({ toUserID }) => toUserID === userID);
  }

  request(userID, reqMsg = "") {
    return this.#change("add_friend", { fromUserID: this.#userID, toUserID: userID, reqMsg });
  }

  accept(userID) {
    return this.#respond(userID, ACCEPT);
  }

  refuse(userID) {
    return this.#respond(userID, REFUSE);
  }

  /** From this user's list only: the other keeps her own. */
  remove(userID) {
    return this.#change("delete_friend", { ownerUserID: this.#userID, friendUserID: userID });
  }

  block(userID) {
    return this.#change("add_black", { ownerUserID: this.#userID, blackUserID: userID });
  }

  unblock(userID) {
    return this.#change("remove_black", { ownerUserID: this.#userID, blackUserID: userID });
  }

  #respond(userID, handleResult) {
    const body = { fromUserID: userID, toUserID: this.#userID, handleResult, handleMsg: "" };
    return this.#change("add_friend_response", body);
  }

  async #change(route, body) {
    await this.#ask(`friend/${route}`, body);
    await this.load();
  }

  async #load() {
    const query = { userID: this.#userID, pagination: PAGE };
    const waiting = { ...query, handleResults: [UNANSWERED] };
    const [friends, received, sent, blocked] = await Promise.all([
      this.#ask("friend/get_friend_list", query),
      this.#ask("friend/get_friend_apply_list", waiting),
      this.#ask("friend/get_self_friend_apply_list", waiting),
      this.#ask("friend/get_black_list", query),
    ]);
    this.list = friends.friendsInfo ?? [];
    this.received = received.FriendRequests ?? [];
    this.sent = sent.friendRequests ?? [];
    this.blocked = blocked.blacks ?? [];
    this.#changed();
  }
}
