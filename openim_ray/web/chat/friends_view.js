// The left side's second list: friends, applications and blocked users.

import { attempt, onSubmit } from "./actions.js";
import { keepFocus, part, setText } from "./dom.js";
import { showFault } from "./fault_view.js";
import { Fault } from "./faults.js";
import { showPeople } from "./people_rows.js";

export class FriendsView {
  #root;
  #form;
  #fault;
  #chat = null;
  #open;
  #askedID = ""; // who the form says about that she was asked

  /** `open(userID)` opens the chat with somebody; it may reject with a Fault. */
  constructor(root, open) {
    this.#root = root;
    this.#form = part(root, "add-friend");
    this.#fault = part(root, "friends-fault");
    this.#open = open;
    this.#form.oninput = () => this.#forget();
    onSubmit(this.#form, () => this.#add(this.#form.friendID.value.trim()));
  }

  show(chat) {
    this.#chat = chat;
    setText(part(this.#root, "own-id"), chat.userID);
    this.#form.reset();
    this.#forget();
    showFault(this.#fault, null);
  }

  render() {
    keepFocus(this.#root, () => this.#renderLists(this.#chat.friends));
  }

  #renderLists(friends) {
    this.#section("received", friends.received.map((request) => this.#received(request)));
    this.#section("sent", friends.sent.map(sent));
    this.#section("friends", friends.list.map((friend) => this.#friend(friend)));
    this.#section("blocked", friends.blocked.map((entry) => this.#blocked(entry)));
    const isEmpty = friends.list.length + friends.received.length + friends.sent.length === 0;
    part(this.#root, "no-friends").hidden = !isEmpty || !this.#chat.synced;
    if (this.#askedID !== "" && !friends.hasAsked(this.#askedID)) this.#say("");
  }

  #section(name, people) {
    part(this.#root, `${name}-section`).hidden = people.length === 0;
    showPeople(part(this.#root, name), people, this.#fault);
  }

  #received({ fromUserID, fromNickname, reqMsg }) {
    const { friends } = this.#chat;
    const actions = [
      { words: "Accept", run: () => friends.accept(fromUserID) },
      { words: "Refuse", run: () => friends.refuse(fromUserID) },
    ];
    return { userID: fromUserID, name: fromNickname || fromUserID, line: reqMsg || fromUserID, actions };
  }

  #friend({ friendUser: { userID, nickname }, remark }) {
    const open = () => attempt(this.#fault, () => this.#open(userID));
    return { userID, name: remark || nickname || userID, line: userID, actions: [], open };
  }

  #blocked({ blackUserInfo: { userID, nickname } }) {
    const actions = [{ words: "Unblock", run: () => this.#chat.friends.unblock(userID) }];
    return { userID, name: nickname || userID, line: userID, actions };
  }

  /** What became of the last one. */
  #forget() {
    this.#say("");
    showFault(part(this.#form, "fault"), null);
  }

  #say(askedID) {
    this.#askedID = askedID;
    const name = askedID && this.#chat.people.nameOf(askedID);
    setText(part(this.#root, "added"), name && `${name} was asked. You are friends when the answer is yes.`);
  }

  async #add(userID) {
    if (userID === "") return;
    this.#say("");
    const chat = this.#chat;
    await befriend(chat, userID);
    if (chat !== this.#chat) return;
    this.#form.reset();
    this.#say(userID);
  }
}

async function befriend(chat, userID) {
  if (userID === chat.userID) throw new Fault(1301);
  if (!(await chat.people.exists(userID))) throw new Fault(1101, userID);
  await chat.friends.request(userID);
}

function sent({ toUserID, toNickname }) {
  return { userID: toUserID, name: toNickname || toUserID, line: "has not answered yet", actions: [] };
}
