// The client: what one signed-in user knows and can do. Knows nothing of how it is shown.

import { Applications } from "./applications.js";
import { Connection } from "./connection.js";
import * as content from "./content.js";
import { Conversation, groupChatID, LOOSE_MAX, SessionType, singleChatID } from "./conversation.js";
import { asFault, Fault } from "./faults.js";
import { randomID } from "./frames.js";
import { Friends } from "./friends.js";
import { Groups } from "./groups.js";
import { People } from "./people.js";
import { Presence } from "./presence.js";
import { decode, encode } from "./protobuf.js";
import * as schema from "./schema.js";
import { Order, Request } from "./schema.js";

const PLATFORM_WEB = 5;
const FROM_USER = 100;

/** Messages of one page of history. The server answers at most 50 seqs well (OpenIM wire, §3.4). */
const PAGE = 30;
const EMPTY_PAGES_MAX = 5;

/** Base64 and the rest of the frame come on top, and the server takes 51,200 bytes (OpenIM wire, §2.7). */
const TEXT_BYTES_MAX = 36_000;

/** How many messages that came while we were away are asked for at once; the rest comes when somebody scrolls up. */
const CATCH_UP = 50;
const RANGES_PER_PULL = 100;

/** One receipt names at most so many messages. */
const RECEIPT_SEQS_MAX = 1_000;

const TYPING_SHOWN_MS = 5_000;
const TYPING_SENT_EVERY_MS = 3_000;

/**
 * `watcher` has two functions: changed(), when there is something new to show, and fault(fault), when something went
 * wrong that belongs to no message and no button.
 */
export class Chat {
  /** "connecting", "ready", "waiting" for the next try, or "ended". */
  phase = "connecting";
  /** Why there is no connection, or none any more; null if all is well. */
  trouble = null;
  conversations = new Map();
  synced = false;
  current = null;
  #connection;
  #http;
  #watcher;
  #marking = new Set();
  #typing = { conversation: null, sentAt: 0 };

  constructor({ userID, token }, http, watcher) {
    this.userID = userID;
    this.#http = (route, body) => this.#post(http, route, token, body);
    this.#watcher = watcher;
    this.people = new People((userIDs) => this.#http("user/get_users_info", { userIDs }));
    this.friends = new Friends(userID, this.#http, watcher.changed);
    this.groups = new Groups(userID, this.#http, watcher.changed);
    this.applications = new Applications(userID, this.#http, watcher.changed);
    this.presence = new Presence((identifier, data) => this.#connection.request(identifier, data), watcher.changed);
    this.#connection = new Connection({ userID, token }, http.webSocketURL, {
      state: (state) => this.#enter(state),
      ready: () => this.#catchUp(),
      push: (data) => this.#receivePush(data),
      presence: (data) => this.presence.take(data),
    });
  }

  start() {
    this.#connection.start();
  }

  stop() {
    this.#connection.stop();
  }

  probe() {
    this.#connection.probe();
  }

  /** Conversations worth showing, newest first. */
  get list() {
    const shown = [...this.conversations.values()].filter((one) => !one.isEmpty || one === this.current);
    return shown.sort((one, other) => lastTime(other) - lastTime(one));
  }

  get unread() {
    return this.list.reduce((sum, conversation) => sum + conversation.unread, 0);
  }

  nameOf(conversation) {
    if (conversation.sessionType === SessionType.GROUP) return this.groups.nameOf(conversation.otherID);
    return this.people.nameOf(conversation.otherID);
  }

  /** The conversation with a user who must exist. Throws Fault. */
  async startWith(userID) {
    if (userID === this.userID) throw new Fault("YOURSELF");
    if (!(await this.people.exists(userID))) throw new Fault(1101, userID);
    return this.#begin(singleChatID(this.userID, userID), SessionType.SINGLE, userID);
  }

  /** The conversation of a new group. Throws Fault. */
  async startGroup(name, userIDs) {
    return this.groupChat(await this.groups.create(name, userIDs));
  }

  /** The conversation of a group that the user is in from now on; null if she has to be let in first. Throws Fault. */
  async joinGroup(groupID, words) {
    if (await this.groups.join(groupID, words)) return this.groupChat(groupID);
    await this.applications.load();
    return null;
  }

  /** The conversation of a group that the user is in. */
  groupChat(groupID) {
    return this.#begin(groupChatID(groupID), SessionType.GROUP, groupID);
  }

  async open(conversation) {
    this.current?.trim();
    this.current = conversation;
    this.#watcher.changed();
    this.presence.watch(conversation?.sessionType === SessionType.SINGLE ? conversation.otherID : "");
    this.#openGroup();
    if (conversation === null) return;
    conversation.markTried = 0;
    if (conversation.visible.length < PAGE) await this.loadOlder(conversation);
    await this.#refreshReceipts(conversation);
  }

  /** One more page of history, above what is there. Throws Fault. */
  async loadOlder(conversation) {
    for (let tries = 0; tries < EMPTY_PAGES_MAX && !conversation.isComplete; tries += 1) {
      const [before, top] = [conversation.visible.length, conversation.floor - 1];
      await this.#pullSeqs(conversation, conversation.missing(top - PAGE + 1, top));
      if (conversation.floor > top && !conversation.isComplete) throw new Fault("NO_HISTORY");
      if (conversation.visible.length > before) break; // else a page of deleted messages: take the next
    }
    this.#watcher.changed();
  }

  /** Tells the server that everything in the conversation has been seen. */
  async markRead(conversation) {
    const isSingle = conversation.sessionType === SessionType.SINGLE; // elsewhere nobody is told which were read
    const isNew = (message) => isSingle && message.sendID !== this.userID && !message.isRead;
    const seqs = conversation.seqs(isNew).slice(-RECEIPT_SEQS_MAX);
    const hasReadSeq = conversation.maxSeq;
    if (this.#marking.has(conversation) || conversation.markTried === hasReadSeq) return;
    if (conversation.unread === 0 && seqs.length === 0) return;
    this.#marking.add(conversation);
    try {
      const { id: conversationID } = conversation;
      await this.#http("msg/mark_conversation_as_read", { conversationID, userID: this.userID, hasReadSeq, seqs });
      conversation.raise(0, hasReadSeq);
      conversation.markRead(seqs);
    } catch (error) {
      conversation.markTried = hasReadSeq; // not again before something has changed
      this.#watcher.fault(asFault(error));
    } finally {
      this.#marking.delete(conversation);
      this.#watcher.changed();
    }
  }

  /** Sends a text; the message's `delivery` and `fault` tell what becomes of it. Throws Fault if too many wait already. */
  send(conversation, text) {
    if (conversation.unsent >= LOOSE_MAX) throw new Fault("TOO_MUCH");
    const body = { contentType: content.TEXT, content: content.textContent(text), options: new Map() };
    if (body.content.length > TEXT_BYTES_MAX) throw new Fault("TOO_LONG");
    const message = { ...this.#outgoing(conversation, body), delivery: "waiting", fault: null };
    conversation.add(message);
    this.#typing.sentAt = 0;
    this.deliver(conversation, message);
  }

  /**
   * Sends a message, again if need be: the same clientMsgID makes sure that it is stored once. One at a time, so that
   * what was written first is stored first. Without a connection it waits for the next sync.
   */
  deliver(conversation, message) {
    message.delivery = "waiting";
    conversation.lane = conversation.lane.then(() => this.#transmit(conversation, message));
    this.#watcher.changed();
  }

  /** Who was invited, and has to be let in, is not told of it. */
  refreshApplications() {
    return this.#refresh(() => this.#loadApplications());
  }

  discard(conversation, message) {
    conversation.remove(message);
    this.#watcher.changed();
  }

  /** Lets the other see that this user is writing, or has stopped. */
  async signalTyping(conversation, isTyping) {
    if (!this.synced || conversation.sessionType !== SessionType.SINGLE) return;
    const isSame = this.#typing.conversation === conversation && Date.now() - this.#typing.sentAt < TYPING_SENT_EVERY_MS;
    if (isTyping ? isSame : this.#typing.sentAt === 0) return;
    this.#typing = { conversation, sentAt: isTyping ? Date.now() : 0 };
    const message = this.#outgoing(conversation, content.typingSignal(isTyping));
    await this.#request(Request.SEND, schema.MsgData, message).catch(() => {}); // nobody misses it
  }

  // --- connection

  #enter({ phase, fault }) {
    this.phase = phase;
    this.trouble = fault ?? this.trouble;
    if (phase !== "ready") {
      this.synced = false;
      this.presence.forget();
    }
    this.#watcher.changed();
  }

  async #post(http, route, token, body) {
    try {
      return await http.post(route, token, body);
    } catch (error) {
      if (error.endsLogin) this.#leave(error);
      throw error;
    }
  }

  #leave(fault) {
    this.#connection.stop();
    this.#enter({ phase: "ended", fault });
  }

  async #request(reqIdentifier, requestSchema, value, answerSchema = schema.PulledMessages) {
    const answer = await this.#connection.request(reqIdentifier, encode(requestSchema, value));
    return decode(answerSchema, answer);
  }

  // --- what was missed

  async #catchUp() {
    try {
      await this.#sync();
    } catch (error) {
      this.#failSync(asFault(error));
    }
    this.#watcher.changed();
  }

  async #sync() {
    const { userID } = this;
    const [{ seqs }, rows] = await Promise.all([
      this.#request(Request.NEWEST_SEQS, schema.NewestSeqsReq, { userID }, schema.NewestSeqsResp),
      this.#http("conversation/get_all_conversations", { ownerUserID: userID }),
    ]);
    for (const row of rows.conversations ?? []) this.#learnRow(row);
    await this.#pullRanges([...seqs].flatMap(([id, numbers]) => this.#learnNumbers(id, numbers)));
    this.synced = true;
    this.trouble = null;
    this.#connection.confirm();
    this.#sendWaiting();
    this.presence.renew();
    await Promise.all([this.people.learn([userID, ...this.#others()]), this.#refreshPeople(), this.#refreshCurrent()]);
  }

  #failSync(fault) {
    if (fault.code === "LOST" || fault.endsLogin) return; // the connection's state tells
    if (this.synced) this.#watcher.fault(fault);
    else this.#connection.fail(fault);
  }

  #learnRow({ conversationID, conversationType, userID, groupID }) {
    if (this.conversations.has(conversationID)) return;
    this.#add(new Conversation(conversationID, conversationType, groupID || userID));
  }

  /** The range to pull for a conversation that has grown; none if it hasn't. */
  #learnNumbers(id, { maxSeq, hasReadSeq, maxSeqTime }) {
    const conversation = this.conversations.get(id) ?? this.#add(new Conversation(id, sessionTypeOf(id), ""));
    const isFirst = conversation.maxSeq === 0;
    const begin = Math.max(conversation.maxSeq + 1, conversation.minSeq);
    conversation.receiptsStale = !isFirst;
    conversation.markTried = 0;
    conversation.newestTime = maxSeqTime;
    conversation.raise(maxSeq, hasReadSeq);
    if (begin > maxSeq) return [];
    return [{ conversationID: id, begin, end: maxSeq, num: isFirst ? 1 : CATCH_UP }];
  }

  async #pullRanges(ranges) {
    for (let at = 0; at < ranges.length; at += RANGES_PER_PULL) {
      const seqRanges = ranges.slice(at, at + RANGES_PER_PULL);
      const request = { userID: this.userID, seqRanges, order: Order.ASCENDING };
      const { msgs } = await this.#request(Request.PULL_RANGES, schema.PullMessageBySeqsReq, request);
      for (const [id, { Msgs }] of msgs) this.#take(id, Msgs);
    }
  }

  async #pullSeqs(conversation, seqs) {
    if (seqs.length === 0) return;
    const conversations = [{ conversationID: conversation.id, seqs }];
    const request = { userID: this.userID, conversations, order: Order.DESCENDING };
    const { msgs } = await this.#request(Request.PULL_SEQS, schema.GetSeqMessageReq, request);
    const pulled = msgs.get(conversation.id);
    this.#take(conversation.id, pulled?.Msgs ?? []);
    if (pulled?.isEnd) conversation.minSeq = Math.max(conversation.minSeq, pulled.endSeq);
  }

  #sendWaiting() {
    for (const conversation of this.conversations.values())
      for (const message of conversation.waiting) this.deliver(conversation, message);
  }

  async #refreshCurrent() {
    if (this.current === null) return;
    if (this.current.visible.length < PAGE) await this.loadOlder(this.current);
    await this.#refreshReceipts(this.current);
  }

  /** Friends, groups and applications may have changed meanwhile. */
  async #refreshPeople() {
    await Promise.all([this.friends.load(), this.groups.learn(this.#others({ areGroups: true })), this.#loadApplications()]);
    await this.groups.reload();
  }

  async #loadApplications() {
    await this.applications.load();
    await this.people.learn(this.applications.inviterIDs);
  }

  /** Receipts are not repeated to a page that was away: asks anew for what the other had not read. */
  async #refreshReceipts(conversation) {
    if (!conversation.receiptsStale) return;
    const seqs = conversation.seqs((message) => message.sendID === this.userID && !message.isRead);
    await this.#pullSeqs(conversation, seqs.slice(-PAGE));
    conversation.receiptsStale = false;
    this.#watcher.changed();
  }

  // --- what comes in

  #receivePush(data) {
    const { msgs, notificationMsgs } = decode(schema.PulledMessages, data);
    for (const [id, { Msgs }] of msgs) for (const message of Msgs) this.#receiveMessage(id, message);
    for (const { Msgs } of notificationMsgs.values()) for (const message of Msgs) this.#receiveNotification(message);
    this.#watcher.changed();
  }

  #receiveMessage(id, message) {
    const conversation = this.conversations.get(id) ?? this.#meet(id, message);
    if (message.contentType === content.TYPING) {
      this.#showTyping(conversation, content.isTyping(message));
      return;
    }
    const gap = message.seq === 0 ? [] : conversation.missing(conversation.maxSeq + 1, message.seq - 1);
    this.#take(id, [message]);
    if (gap.length > 0) this.#pullSeqs(conversation, gap.slice(0, PAGE)).then(this.#watcher.changed, () => {});
    if (message.sendID !== this.userID) this.#showTyping(conversation, false);
  }

  #meet(id, message) {
    const otherID = otherSide(message, this.userID);
    if (message.groupID === "") this.people.learn([otherID]).then(this.#watcher.changed, () => {}); // the id will do
    else this.#refresh(() => this.groups.learn([otherID]));
    return this.#add(new Conversation(id, message.sessionType, otherID));
  }

  #take(id, messages) {
    const conversation = this.conversations.get(id);
    if (conversation === undefined) return; // nobody asked for it
    for (const message of messages) {
      if (conversation.otherID === "") conversation.otherID = otherSide(message, this.userID);
      conversation.accept(message);
      if (message.senderNickname !== "") this.people.hear(message.sendID, message.senderNickname);
      if (message.sendID === this.userID) conversation.raise(message.seq, message.seq); // as the server counts
    }
  }

  #receiveNotification(message) {
    if (this.friends.concerns(message)) this.#refresh(() => this.friends.load());
    if (this.applications.concerns(message)) this.refreshApplications();
    if (this.groups.heed(message)) this.#heedGroup(message);
    if (content.RENAMED.has(message.contentType)) this.#refresh(() => this.people.learn([content.tips(message).userID]));
    const told = content.tips(message);
    const conversation = this.conversations.get(told.conversationID);
    if (conversation === undefined) return;
    if (message.contentType === content.REVOKED) conversation.rewrite(told.seq, content.REVOKED);
    if (message.contentType !== content.READ_RECEIPT) return;
    conversation.markRead(told.seqs ?? []);
    if (told.markAsReadUserID === this.userID) conversation.raise(0, told.hasReadSeq);
  }

  #heedGroup({ groupID }) {
    if (groupID === this.groups.openID) this.#refresh(() => this.groups.reload());
  }

  #openGroup() {
    const groupID = this.current?.sessionType === SessionType.GROUP ? this.current.otherID : "";
    this.#refresh(() => this.groups.open(groupID));
  }

  async #refresh(load) {
    try {
      await load();
    } catch (error) {
      this.#failSync(asFault(error));
    }
    this.#watcher.changed();
  }

  #showTyping(conversation, isTyping) {
    conversation.typingUntil = isTyping ? Date.now() + TYPING_SHOWN_MS : 0;
    if (isTyping) setTimeout(this.#watcher.changed, TYPING_SHOWN_MS + 1);
  }

  // --- what goes out

  #outgoing(conversation, body) {
    const isGroup = conversation.sessionType === SessionType.GROUP;
    return {
      sendID: this.userID,
      recvID: isGroup ? "" : conversation.otherID,
      groupID: isGroup ? conversation.otherID : "",
      clientMsgID: randomID(),
      senderPlatformID: PLATFORM_WEB,
      senderNickname: this.people.nameOf(this.userID),
      sessionType: conversation.sessionType,
      msgFrom: FROM_USER,
      createTime: Date.now(),
      seq: 0,
      ...body,
    };
  }

  async #transmit(conversation, message) {
    if (!this.synced || !conversation.waiting.includes(message)) return;
    message.delivery = "sending";
    this.#watcher.changed();
    try {
      const answer = await this.#request(Request.SEND, schema.MsgData, message, schema.SendMsgResp);
      Object.assign(message, { delivery: "sent", fault: null, sendTime: answer.sendTime, serverMsgID: answer.serverMsgID });
    } catch (error) {
      const fault = asFault(error);
      Object.assign(message, fault.code === "LOST" ? { delivery: "waiting" } : { delivery: "failed", fault });
    }
    this.#watcher.changed();
  }

  #begin(id, sessionType, otherID) {
    const conversation = this.conversations.get(id) ?? this.#add(new Conversation(id, sessionType, otherID));
    if (conversation.isEmpty) conversation.newestTime = Date.now(); // on top of the list
    return conversation;
  }

  #add(conversation) {
    this.conversations.set(conversation.id, conversation);
    return conversation;
  }

  /** The users, or the groups, that there are conversations with. */
  #others({ areGroups = false } = {}) {
    const chats = [...this.conversations.values()].filter((one) => (one.sessionType === SessionType.GROUP) === areGroups);
    return chats.map((one) => one.otherID).filter((otherID) => otherID !== "");
  }
}

function lastTime(conversation) {
  const newest = conversation.newest;
  return newest === null ? conversation.newestTime : newest.sendTime || newest.createTime;
}

function sessionTypeOf(id) {
  if (id.startsWith("sg_")) return SessionType.GROUP;
  return id.startsWith("sn_") ? SessionType.NOTIFICATION : SessionType.SINGLE;
}

function otherSide(message, userID) {
  return message.groupID || (message.sendID === userID ? message.recvID : message.sendID);
}
