// The left side's third list: the groups, and the applications to join one.

import { attempt, onSubmit } from "./actions.js";
import { applicationOf } from "./application_rows.js";
import { isRefused } from "./applications.js";
import { keepFocus, part, setText } from "./dom.js";
import { showFault } from "./fault_view.js";
import { showPeople } from "./people_rows.js";

export class GroupsView {
  #root;
  #form;
  #fault;
  #chat = null;
  #open;
  #askedID = ""; // the group that the form says about that it was asked

  /** `open(conversation)` opens the chat of a group. */
  constructor(root, open) {
    this.#root = root;
    this.#form = part(root, "join-group");
    this.#fault = part(root, "groups-fault");
    this.#open = open;
    this.#form.oninput = () => this.#forget();
    onSubmit(this.#form, () => this.#join(this.#form.groupID.value.trim(), this.#form.words.value.trim()));
  }

  show(chat) {
    this.#chat = chat;
    this.#form.reset();
    this.#forget();
    showFault(this.#fault, null);
  }

  render() {
    keepFocus(this.#root, () => this.#renderLists(this.#chat));
  }

  #renderLists(chat) {
    const { applications, groups } = chat;
    const asked = applications.sent.filter(({ groupInfo }) => !groups.hasJoined(groupInfo.groupID));
    this.#section("received", applications.received.map((request) => applicationOf(chat, request)));
    this.#section("joined", groups.joined.map((group) => this.#joined(group)));
    this.#section("sent", asked.map((request) => this.#sent(request)));
    part(this.#root, "no-groups").hidden = groups.joined.length + asked.length > 0 || !chat.synced;
    if (this.#askedID !== "" && (groups.hasJoined(this.#askedID) || !applications.hasAsked(this.#askedID))) this.#say("");
  }

  #section(name, rows) {
    part(this.#root, `${name}-section`).hidden = rows.length === 0;
    showPeople(part(this.#root, name), rows, this.#fault);
  }

  #joined({ groupID, groupName, memberCount, ownerUserID }) {
    const open = () => this.#open(this.#chat.groupChat(groupID));
    const members = memberCount === 1 ? "1 member" : `${memberCount} members`;
    const line = ownerUserID === this.#chat.userID ? `${members} · you are the owner` : members;
    return { userID: groupID, name: groupName || groupID, line, actions: [], open, isGroup: true };
  }

  #sent(request) {
    const { groupID, groupName } = request.groupInfo;
    const again = { words: "Ask again", run: () => this.#join(groupID, "") };
    const actions = isRefused(request) ? [again] : [];
    return { userID: groupID, name: groupName || groupID, line: this.#answer(request), actions, isGroup: true };
  }

  #answer(request) {
    if (isRefused(request)) return request.handleMsg ? `refused: ${request.handleMsg}` : "refused";
    const inviter = request.inviterUserID && this.#chat.people.nameOf(request.inviterUserID);
    return inviter ? `${inviter} invited you; the group's admins have not answered yet` : "not answered yet";
  }

  /** What became of the last one. */
  #forget() {
    this.#say("");
    showFault(part(this.#form, "fault"), null);
  }

  #say(askedID) {
    this.#askedID = askedID;
    const name = askedID && this.#chat.groups.nameOf(askedID);
    setText(part(this.#root, "asked"), name && `You asked to join ${name}. You are in when its owner or an admin says yes.`);
  }

  async #join(groupID, words) {
    if (groupID === "") return;
    this.#say("");
    const chat = this.#chat;
    const conversation = await chat.joinGroup(groupID, words);
    if (chat !== this.#chat) return;
    this.#form.reset();
    if (conversation !== null) this.#open(conversation);
    else this.#say(groupID);
  }
}
