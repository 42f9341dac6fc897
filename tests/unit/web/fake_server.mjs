// A server with one user's view of some chats, behind a fake WebSocket: enough to see what the client asks and when.

import { decode, encode } from "./protobuf.js";
import * as schema from "./schema.js";
import { Request } from "./schema.js";

const fromBase64 = (text) => Uint8Array.from(Buffer.from(text, "base64"));
const toBase64 = (bytes) => Buffer.from(bytes).toString("base64");

export class FakeServer {
  /** conversation id → {messages, hasReadSeq, minSeq} */
  chats = new Map();
  rows = [];
  /** [name, value] of every request and HTTP call, in order. */
  asked = [];
  /** What a request is answered with instead: reqIdentifier → "nothing", "lost" or an error code. */
  moods = new Map();
  withholdsHistory = false;
  online = new Set();
  groups = [];
  http = { webSocketURL: async () => "ws://host:1", post: (route, _token, body) => this.#post(route, body) };
  #socket = null;

  constructor() {
    const server = this;
    globalThis.WebSocket = class {
      constructor() {
        server.#socket = this;
        queueMicrotask(() => this.onmessage?.({ data: '{"errCode":0,"errMsg":"","errDlt":""}' }));
      }
      send(data) {
        if (typeof data === "string") this.onmessage?.({ data: '{"type":"pong","body":null}' });
        else server.#receive(this, JSON.parse(new TextDecoder().decode(data)));
      }
      close() {}
    };
  }

  add(id, count, fields = {}) {
    const chat = this.chats.get(id) ?? { messages: [], hasReadSeq: 0, minSeq: 1 };
    this.chats.set(id, chat);
    for (let index = 0; index < count; index += 1) this.#append(chat, { ...fields });
    return chat.messages.at(-1);
  }

  /** Requests of one kind, decoded. */
  of(name) {
    return this.asked.filter(([asked]) => asked === name).map(([, value]) => value);
  }

  push(id, message, stream = "msgs") {
    const value = { [stream]: new Map([[id, { Msgs: [message] }]]) };
    this.#write(this.#socket, { reqIdentifier: Request.PUSH, msgIncr: "" }, encode(schema.PulledMessages, value));
  }

  notify(contentType, detail) {
    const content = new TextEncoder().encode(JSON.stringify({ detail: JSON.stringify(detail) }));
    this.push("n_alice_bob", { contentType, content, sendID: "bob", seq: 1 }, "notificationMsgs");
  }

  /** A 2005 push: somebody came or went. */
  tellPresence(userID) {
    const subscribers = [{ userID, onlinePlatformIDs: this.online.has(userID) ? [5] : [] }];
    this.#write(this.#socket, { reqIdentifier: Request.PRESENCE, msgIncr: "" }, encode(schema.PresenceTips, { subscribers }));
  }

  notifyGroup(contentType, groupID, detail) {
    const content = new TextEncoder().encode(JSON.stringify({ detail: JSON.stringify(detail) }));
    this.push(`n_${groupID}`, { contentType, content, sendID: "bob", groupID, sessionType: 3, seq: 0 }, "notificationMsgs");
  }

  drop() {
    this.#socket.onclose?.();
  }

  #append(chat, fields) {
    const seq = chat.messages.length + 1;
    const content = new TextEncoder().encode(JSON.stringify({ content: `text ${seq}` }));
    const base = { sendID: "bob", recvID: "alice", clientMsgID: `id ${seq}`, sessionType: 1, contentType: 101, status: 2 };
    chat.messages.push({ ...base, content, seq, sendTime: 1_000 + seq, ...fields });
  }

  #receive(socket, frame) {
    const mood = this.moods.get(frame.reqIdentifier);
    const answer = ANSWERS[frame.reqIdentifier](this, fromBase64(frame.data));
    if (mood === "lost") queueMicrotask(() => socket.onclose?.());
    else if (mood !== "nothing") queueMicrotask(() => this.#write(socket, frame, answer, mood));
  }

  #write(socket, { reqIdentifier, msgIncr }, bytes, errCode = 0) {
    const frame = { reqIdentifier, msgIncr, operationID: "", errCode, errMsg: "", data: toBase64(bytes) };
    socket.onmessage?.({ data: new TextEncoder().encode(JSON.stringify(frame)).buffer });
  }

  async #post(route, body) {
    this.asked.push([route, body]);
    if (route === "conversation/get_all_conversations") return { conversations: this.rows };
    if (route === "user/get_users_info") return { usersInfo: body.userIDs.map((userID) => ({ userID, nickname: userID.toUpperCase() })) };
    if (route === "group/get_joined_group_list") return { groups: this.groups };
    if (route === "group/get_groups_info") return { groupInfos: this.groups.filter(({ groupID }) => body.groupIDs.includes(groupID)) };
    if (route === "group/create_group") return { groupInfo: { ...body.groupInfo, groupID: "9", memberCount: 2, status: 0 } };
    return {};
  }
}

const ANSWERS = {
  [Request.NEWEST_SEQS](server, data) {
    server.asked.push(["newest", decode(schema.NewestSeqsReq, data)]);
    const seqs = [...server.chats].map(([id, { messages, hasReadSeq }]) => [id, { maxSeq: messages.length, hasReadSeq, maxSeqTime: 1 }]);
    return encode(schema.NewestSeqsResp, { seqs: new Map(seqs) });
  },

  [Request.PULL_RANGES](server, data) {
    const { seqRanges } = decode(schema.PullMessageBySeqsReq, data);
    server.asked.push(["ranges", seqRanges]);
    const pulled = seqRanges.map(({ conversationID, begin, end, num }) => {
      const { messages } = server.chats.get(conversationID);
      return [conversationID, { Msgs: messages.filter(({ seq }) => seq >= begin && seq <= end).slice(-num) }];
    });
    return encode(schema.PulledMessages, { msgs: new Map(pulled) });
  },

  [Request.PULL_SEQS](server, data) {
    const [{ conversationID, seqs }] = decode(schema.GetSeqMessageReq, data).conversations;
    server.asked.push(["seqs", seqs]);
    const { messages, minSeq } = server.chats.get(conversationID);
    const Msgs = server.withholdsHistory ? [] : seqs.filter((seq) => seq >= minSeq).map((seq) => messages[seq - 1]);
    const isEnd = seqs.some((seq) => seq < minSeq);
    return encode(schema.PulledMessages, { msgs: new Map([[conversationID, { Msgs, isEnd, endSeq: isEnd ? minSeq : 0 }]]) });
  },

  [Request.PRESENCE](server, data) {
    const change = decode(schema.PresenceReq, data);
    server.asked.push(["presence", change]);
    const subscribers = change.subscribeUserID.map((userID) => ({ userID, onlinePlatformIDs: server.online.has(userID) ? [5] : [] }));
    return encode(schema.PresenceTips, { subscribers });
  },

  [Request.SEND](server, data) {
    const message = decode(schema.MsgData, data);
    server.asked.push(["send", message]);
    return encode(schema.SendMsgResp, { serverMsgID: "s", clientMsgID: message.clientMsgID, sendTime: 9_000 });
  },
};
