// The right side: one conversation's messages, and the field to write in.

import { Composer } from "./composer.js";
import { describe } from "./content.js";
import { SessionType } from "./conversation.js";
import { fromTemplate, part, setText, showAvatar, showItems } from "./dom.js";
import { faultLine, notify } from "./fault_view.js";
import { asFault } from "./faults.js";
import { clock, day, full, startOfDay, until } from "./times.js";

/** So near to the end still counts as being at the end, so near to the top asks for more. */
const NEAR_END_PX = 80;
const NEAR_TOP_PX = 240;

/** Messages of one person that follow so closely are drawn as one group. */
const GROUPED_WITHIN_MS = 300_000;

const DELIVERY_WORDS = { waiting: "waiting for the connection", sending: "being sent", failed: "not sent", sent: "sent", read: "read" };

export class Thread {
  #root = document.querySelector(".thread");
  #history = part(this.#root, "history");
  #composer = new Composer(part(this.#root, "composer"));
  #chat = null;
  #shown = null; // the conversation whose messages are on the screen
  #unreadFrom = 0; // first seq that was unread when it was opened
  #seenTo = 0; // newest seq that was on the screen
  #isLoading = false;
  #isAtEnd = true;
  #endTop = 0; // where the last move to the end came to

  /** `actions`: back(), when this is closed. */
  constructor(actions) {
    part(this.#root, "back").onclick = () => actions.back();
    part(this.#root, "load-older").onclick = () => this.#loadOlder();
    part(this.#root, "newest").onclick = () => this.#scrollToEnd();
    this.#history.onscroll = () => this.#scrolled();
    document.addEventListener("visibilitychange", () => this.#markRead());
    new ResizeObserver(() => this.#isAtEnd && this.#scrollToEnd()).observe(this.#history);
    this.#root.onkeydown = (event) => {
      if (event.key === "Escape" && !event.isComposing) actions.back();
    };
  }

  /** Shows nothing yet of this chat; null after signing out. */
  show(chat) {
    this.#composer.leave();
    this.#chat = chat;
    this.#shown = null;
  }

  async open(conversation) {
    this.#composer.leave();
    this.#unreadFrom = conversation.unread > 0 ? conversation.readSeq + 1 : 0;
    this.#shown = conversation;
    this.#isAtEnd = true;
    this.#endTop = 0;
    part(this.#root, "messages").replaceChildren();
    this.render();
    this.#composer.enter(this.#chat, conversation); // after rendering: what is hidden has no height
    await this.#whileLoading(() => this.#chat.open(conversation));
  }

  close() {
    this.#composer.leave();
    this.#shown = null;
    this.#chat.open(null);
  }

  render() {
    const conversation = this.#shown;
    part(this.#root, "open").hidden = conversation === null;
    part(this.#root, "nothing-open").hidden = conversation !== null;
    if (conversation === null) return;
    this.#renderHead(conversation);
    this.#renderMessages(conversation);
    this.#markRead();
  }

  #renderHead(conversation) {
    const name = this.#chat.nameOf(conversation);
    const isTyping = conversation.typingUntil > Date.now();
    showAvatar(part(this.#root, "avatar"), conversation.otherID, name);
    setText(part(this.#root, "name"), name);
    part(this.#root, "avatar").classList.toggle("group", conversation.sessionType === SessionType.GROUP);
    setText(part(this.#root, "typing"), isTyping ? "is writing …" : this.#subtitle(conversation, name));
    part(this.#root, "typing").classList.toggle("typing", isTyping);
    part(this.#root, "presence").hidden = !this.#chat.presence.isOnline(conversation.otherID);
    this.#renderClosed(conversation);
  }

  #subtitle({ sessionType, otherID }, name) {
    if (sessionType === SessionType.GROUP) return groupLine(this.#chat.groups, otherID);
    return name === otherID ? "" : otherID;
  }

  /** Instead of the field to write in, where writing is over. */
  #renderClosed({ sessionType, otherID }) {
    const words = sessionType === SessionType.GROUP ? closedWords(this.#chat.groups, otherID) : "";
    setText(part(this.#root, "closed"), words);
    part(this.#root, "closed").hidden = words === "";
    part(this.#root, "composer").hidden = words !== "" || sessionType === SessionType.NOTIFICATION; // nobody reads answers there
  }

  #renderMessages(conversation) {
    const messages = conversation.visible;
    if (this.#hasLeftEnd()) this.#isAtEnd = false; // the event that tells comes with the next frame
    const fromEnd = this.#history.scrollHeight - this.#history.scrollTop;
    const lines = linesOf(messages, this.#unreadFrom, this.#chat.userID);
    const update = (element, line) => this.#update(element, line);
    showItems(part(this.#root, "messages"), lines, ({ key }) => key, (line) => this.#create(line), update);
    part(this.#root, "older").hidden = conversation.isComplete;
    part(this.#root, "no-messages").hidden = messages.length > 0 || this.#isLoading || !conversation.isComplete;
    if (this.#isAtEnd) this.#scrollToEnd();
    else if (this.#isLoading) this.#history.scrollTop = this.#history.scrollHeight - fromEnd; // what is read stays in place
    this.#renderNewest(conversation);
  }

  #renderNewest(conversation) {
    if (this.#isAtEnd) this.#seenTo = conversation.maxSeq;
    const isNew = ({ seq, sendID }) => seq > this.#seenTo && sendID !== this.#chat.userID;
    const count = conversation.seqs(isNew).length;
    part(this.#root, "newest").hidden = this.#isAtEnd;
    part(this.#root, "newest-count").hidden = count === 0;
    setText(part(this.#root, "newest-count"), String(count));
  }

  #create({ message, kind }) {
    if (kind !== "message") return fromTemplate("system-line");
    const element = fromTemplate("message");
    part(element, "retry").onclick = () => this.#chat.deliver(this.#shown, this.#current(element));
    part(element, "discard").onclick = () => this.#chat.discard(this.#shown, this.#current(element));
    element.dataset.clientMsgId = message.clientMsgID;
    return element;
  }

  // The object behind an element changes when the message gets its seq.
  #current(element) {
    const { clientMsgId } = element.dataset;
    return this.#shown.visible.find(({ clientMsgID, sendID }) => clientMsgID === clientMsgId && sendID === this.#chat.userID);
  }

  #update(element, { kind, text, message, startsGroup }) {
    setText(part(element, "text"), text);
    element.classList.toggle("unread-line", kind === "unread");
    if (kind !== "message") return;
    const isOwn = message.sendID === this.#chat.userID;
    const isGroup = this.#shown.sessionType === SessionType.GROUP;
    element.classList.toggle("own", isOwn);
    element.classList.toggle("starts-group", startsGroup);
    element.classList.toggle("label", describe(message, this.#chat.userID).kind === "label");
    part(element, "author").hidden = !isGroup || isOwn || !startsGroup;
    setText(part(element, "author"), this.#chat.people.nameOf(message.sendID));
    this.#updateMeta(element, message, isOwn);
  }

  #updateMeta(element, message, isOwn) {
    const time = message.sendTime || message.createTime;
    const state = message.delivery === "sent" && message.isRead ? "read" : message.delivery;
    setText(part(element, "time"), clock(time));
    part(element, "time").title = full(time);
    part(element, "tick").hidden = !isOwn;
    part(element, "tick").dataset.state = state;
    setText(part(element, "delivery"), DELIVERY_WORDS[state]);
    part(element, "tick").title = DELIVERY_WORDS[state];
    part(element, "trouble").hidden = state !== "failed";
    part(element, "retry").hidden = !part(this.#root, "closed").hidden;
    if (state === "failed") setText(part(element, "trouble-text"), `Not sent. ${faultLine(message.fault)}`);
  }

  #scrolled() {
    this.#isAtEnd = this.#isNearEnd();
    if (this.#shown === null) return;
    this.#renderNewest(this.#shown);
    this.#markRead();
    if (this.#history.scrollTop < NEAR_TOP_PX && !this.#isLoading && !this.#shown.isComplete) this.#loadOlder();
  }

  #hasLeftEnd() {
    return this.#history.scrollTop < this.#endTop && !this.#isNearEnd();
  }

  #isNearEnd() {
    const { scrollTop, scrollHeight, clientHeight } = this.#history;
    return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  }

  #scrollToEnd() {
    this.#isAtEnd = true;
    this.#history.scrollTop = this.#history.scrollHeight;
    this.#endTop = this.#history.scrollTop;
    if (this.#shown !== null) this.#renderNewest(this.#shown);
  }

  #loadOlder() {
    const conversation = this.#shown;
    return this.#whileLoading(() => this.#chat.loadOlder(conversation));
  }

  async #whileLoading(load) {
    this.#setLoading(true);
    try {
      await load();
    } catch (error) {
      const fault = asFault(error);
      if (fault.code !== "LOST") notify(fault); // the status line tells, and the next sync loads it
    }
    this.render();
    this.#setLoading(false);
  }

  #setLoading(isLoading) {
    this.#isLoading = isLoading;
    part(this.#root, "log").setAttribute("aria-busy", String(isLoading)); // history is not read out
    part(this.#root, "older").classList.toggle("loading", isLoading);
  }

  #markRead() {
    if (this.#shown !== null && this.#isAtEnd && document.visibilityState === "visible") this.#chat.markRead(this.#shown);
  }
}

function closedWords(groups, groupID) {
  if (groups.isDismissed(groupID)) return "This group was dismissed. Nobody can write here any more.";
  return groups.hasLeft(groupID) ? "You are not in this group any more, so you can't write here." : "";
}

function groupLine(groups, groupID) {
  if (closedWords(groups, groupID) !== "") return "";
  const count = groups.infoOf(groupID)?.memberCount;
  const words = [
    count === undefined ? "" : count === 1 ? "1 member" : `${count} members`,
    groups.isMuted(groupID) ? "the group is muted" : "",
    groups.isSilenced(groupID) ? `you are muted until ${until(groups.own.muteEndTime, Date.now())}` : "",
  ];
  return words.filter(Boolean).join(" · ");
}

/** Messages with lines between the days and above the first unread one. */
function linesOf(messages, unreadFrom, readerID) {
  const lines = [];
  let previous = null;
  for (const message of messages) {
    const time = message.sendTime || message.createTime;
    const isNewDay = previous === null || startOfDay(previous.time) !== startOfDay(time);
    const isFirstUnread = unreadFrom > 0 && message.seq >= unreadFrom && !lines.some(({ kind }) => kind === "unread");
    if (isNewDay) lines.push({ key: `day ${startOfDay(time)}`, kind: "day", text: day(time, Date.now()) });
    if (isFirstUnread) lines.push({ key: "unread", kind: "unread", text: "New messages" });
    const line = lineOf(message, readerID);
    line.startsGroup = isNewDay || isFirstUnread || !belongsTogether(previous, line, time);
    lines.push(line);
    previous = { line, time };
  }
  return lines;
}

function lineOf(message, readerID) {
  const { kind, text } = describe(message, readerID);
  const key = message.clientMsgID ? `${message.clientMsgID} of ${message.sendID}` : `seq ${message.seq}`;
  return { key, kind: kind === "system" ? "system" : "message", text, message };
}

function belongsTogether(previous, { kind, message }, time) {
  const isSame = previous.line.kind === kind && previous.line.message.sendID === message.sendID;
  return isSame && time - previous.time < GROUPED_WITHIN_MS;
}
