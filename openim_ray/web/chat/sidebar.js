// The left side: who is signed in, how the connection is, the conversations, and the form for a new one.

import { describe } from "./content.js";
import { SessionType } from "./conversation.js";
import { part, setText, showAvatar, showItems, fromTemplate } from "./dom.js";
import { showFault } from "./fault_view.js";
import { FriendsView } from "./friends_view.js";
import { GroupsView } from "./groups_view.js";
import { NewGroup } from "./new_group.js";
import { asFault } from "./faults.js";
import { brief, full } from "./times.js";

const COUNT_MAX = 99;

/** Which list each of the buttons above the lists shows. */
const LISTS = Object.entries({ "show-chats": "chats", "show-friends": "friends-view", "show-groups": "groups-view" });

export class Sidebar {
  #root = document.querySelector(".sidebar");
  #newChat = part(this.#root, "new-chat");
  #newGroup = part(this.#root, "new-group");
  #groupForm = new NewGroup(this.#newGroup, (conversation) => this.#begin(conversation));
  #friends = new FriendsView(part(this.#root, "friends-view"), async (userID) => this.#begin(await this.#chat.startWith(userID)));
  #groups = new GroupsView(part(this.#root, "groups-view"), (conversation) => this.#begin(conversation));
  #chat = null;
  #actions;

  /** `actions`: open(conversation), signOut(). */
  constructor(actions) {
    this.#actions = actions;
    part(this.#root, "sign-out").onclick = actions.signOut;
    part(this.#root, "start-new").onclick = () => this.#toggleNewChat(this.#newChat.hidden);
    part(this.#root, "start-group").onclick = () => this.#toggleNewGroup(this.#newGroup.hidden);
    for (const [button] of LISTS) part(this.#root, button).onclick = () => this.#showList(button);
    part(this.#root, "show-groups").addEventListener("click", () => this.#chat.refreshApplications());
    part(this.#root, "conversations").onkeydown = (event) => this.#moveFocus(event);
    this.#newChat.onkeydown = (event) => {
      if (event.key === "Escape") this.#toggleNewChat(false);
    };
    this.#newGroup.onkeydown = (event) => {
      if (event.key === "Escape") this.#toggleNewGroup(false);
    };
    this.#newChat.onsubmit = (event) => {
      event.preventDefault();
      this.#startNew(this.#newChat.otherID.value.trim());
    };
  }

  show(chat) {
    this.#chat = chat;
    this.#toggleNewChat(false);
    this.#toggleNewGroup(false);
    this.#friends.show(chat);
    this.#groups.show(chat);
    this.#showList("show-chats");
    part(this.#root, "conversations").replaceChildren();
  }

  render() {
    const chat = this.#chat;
    showAvatar(part(this.#root, "own-avatar"), chat.userID, chat.people.nameOf(chat.userID));
    setText(part(this.#root, "own-name"), chat.people.nameOf(chat.userID));
    part(this.#root, "own-name").title = chat.userID;
    this.#renderStatus(chat);
    this.#renderList(chat.list);
    this.#groupForm.render();
    this.#friends.render();
    this.#groups.render();
    this.#showCount("show-chats", part(this.#root, "chats").hidden ? chat.unread : 0); // else each chat tells
    this.#showCount("show-friends", chat.friends.received.length);
    this.#showCount("show-groups", chat.applications.received.length);
  }

  /** How much waits in a list. */
  #showCount(button, count) {
    part(part(this.#root, button), "waiting").hidden = count === 0;
    setText(part(part(this.#root, button), "waiting-count"), shortened(count));
  }

  #renderStatus({ synced, trouble }) {
    const status = part(this.#root, "status");
    status.dataset.state = synced ? "connected" : trouble ? "troubled" : "connecting";
    setText(status, synced ? "Connected" : trouble ? "Not connected" : "Connecting …");
  }

  #renderList(list) {
    part(this.#root, "no-conversations").hidden = list.length > 0 || !this.#chat.synced;
    const create = (conversation) => this.#create(conversation);
    const update = (element, conversation) => this.#update(element.firstElementChild, conversation);
    showItems(part(this.#root, "conversations"), list, ({ id }) => id, create, update);
  }

  #create(conversation) {
    const element = fromTemplate("conversation");
    element.firstElementChild.onclick = () => this.#actions.open(conversation);
    return element;
  }

  #update(button, conversation) {
    const name = this.#chat.nameOf(conversation);
    const { newest, unread } = conversation;
    const time = newest?.sendTime || newest?.createTime || conversation.newestTime;
    showAvatar(part(button, "avatar"), conversation.otherID, name);
    part(button, "avatar").classList.toggle("group", conversation.sessionType === SessionType.GROUP);
    setText(part(button, "name"), name);
    setText(part(button, "time"), time ? brief(time, Date.now()) : "");
    part(button, "time").title = time ? full(time) : "";
    this.#preview(part(button, "preview"), conversation, newest);
    setText(part(button, "count"), shortened(unread));
    part(button, "unread").hidden = unread === 0;
    button.setAttribute("aria-current", String(conversation === this.#chat.current));
  }

  #preview(element, conversation, newest) {
    const isTyping = conversation.typingUntil > Date.now();
    element.classList.toggle("typing", isTyping);
    element.classList.toggle("failed", !isTyping && newest?.delivery === "failed");
    setText(element, isTyping ? "is writing …" : this.#lastWords(conversation, newest));
  }

  #lastWords(conversation, newest) {
    if (newest === null) return "";
    const { kind, text } = describe(newest, this.#chat.userID);
    if (kind === "system") return text;
    if (newest.delivery === "failed") return `Not sent: ${text}`;
    if (newest.sendID === this.#chat.userID) return `You: ${text}`;
    const isGroup = conversation.sessionType === SessionType.GROUP;
    return isGroup ? `${this.#chat.people.nameOf(newest.sendID)}: ${text}` : text;
  }

  #showList(shown) {
    for (const [button, list] of LISTS) {
      part(this.#root, list).hidden = button !== shown;
      part(this.#root, button).setAttribute("aria-pressed", String(button === shown));
    }
    this.#showCount("show-chats", shown === "show-chats" ? 0 : (this.#chat?.unread ?? 0));
  }

  #begin(conversation) {
    this.#toggleNewGroup(false);
    this.#showList("show-chats");
    this.#actions.open(conversation);
  }

  #toggleNewGroup(isOpen) {
    if (isOpen) this.#toggleNewChat(false);
    this.#newGroup.hidden = !isOpen;
    part(this.#root, "start-group").setAttribute("aria-expanded", String(isOpen));
    this.#groupForm.reset(this.#chat);
    if (!isOpen) return;
    this.#groupForm.render();
    this.#newGroup.groupName.focus();
  }

  #toggleNewChat(isOpen) {
    if (isOpen) this.#toggleNewGroup(false);
    this.#newChat.hidden = !isOpen;
    part(this.#root, "start-new").setAttribute("aria-expanded", String(isOpen));
    this.#newChat.reset();
    showFault(part(this.#newChat, "fault"), null);
    if (isOpen) this.#newChat.otherID.focus();
  }

  async #startNew(userID) {
    if (userID === "") return;
    const chat = this.#chat;
    try {
      const conversation = await chat.startWith(userID);
      if (chat !== this.#chat) return;
      this.#toggleNewChat(false);
      this.#begin(conversation);
    } catch (error) {
      showFault(part(this.#newChat, "fault"), asFault(error));
    }
  }

  #moveFocus(event) {
    const buttons = [...part(this.#root, "conversations").querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    buttons[Math.min(Math.max(to, 0), buttons.length - 1)]?.focus();
  }
}

function shortened(count) {
  return count > COUNT_MAX ? `${COUNT_MAX}+` : String(count);
}
