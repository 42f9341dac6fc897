// What the client asks of a server, and what it makes of the answers.

import assert from "node:assert/strict";
import test, { beforeEach, mock } from "node:test";
import { Chat } from "./chat.js";
import { Fault } from "./faults.js";
import { FakeServer } from "./fake_server.mjs";
import { Request } from "./schema.js";

const ID = "si_alice_bob";

let server, chat, faults;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  server = new FakeServer();
  faults = [];
  chat = new Chat({ userID: "alice", token: "t" }, server.http, { changed: () => {}, fault: (fault) => faults.push(fault) });
});

/** Lets everything happen that needs no passing of time. */
async function settle() {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function start() {
  chat.start();
  await settle();
}

async function reconnect() {
  server.drop();
  mock.timers.tick(30_000);
  await settle();
}

const conversation = () => chat.conversations.get(ID);
const seqs = () => conversation().visible.map(({ seq }) => seq);

test("a login asks for the newest message of each chat, and names the people", async () => {
  server.add(ID, 70);
  server.rows = [{ conversationID: ID, conversationType: 1, userID: "bob", groupID: "" }];
  await start();
  assert.deepEqual(server.of("ranges"), [[{ conversationID: ID, begin: 1, end: 70, num: 1 }]]);
  assert.deepEqual([seqs(), conversation().unread, chat.unread], [[70], 70, 70]);
  assert.equal(chat.nameOf(conversation()), "BOB");
});

test("a chat is known by its messages if the server has no row of it", async () => {
  server.add(ID, 1);
  await start();
  assert.equal(conversation().otherID, "bob");
});

test("history comes by pages until the lowest seq that the server tells", async () => {
  server.add(ID, 70);
  server.chats.get(ID).minSeq = 6;
  await start();
  await chat.open(conversation());
  await chat.loadOlder(conversation());
  await chat.loadOlder(conversation());
  assert.deepEqual([seqs()[0], conversation().isComplete], [6, true]);
  assert.deepEqual(server.of("seqs").map((asked) => [asked[0], asked.at(-1)]), [[69, 40], [39, 10], [9, 1]]);
});

test("pages of deleted messages are passed over", async () => {
  server.add(ID, 40, { status: 4 });
  server.add(ID, 1);
  await start();
  await chat.open(conversation());
  assert.deepEqual([seqs(), conversation().isComplete], [[41], true]);
});

test("a server that doesn't send what it was asked for is not asked for ever", async () => {
  server.add(ID, 40);
  await start();
  server.withholdsHistory = true;
  await assert.rejects(chat.open(conversation()), { code: "NO_HISTORY" });
  assert.equal(server.of("seqs").length, 1);
});

test("opening tells the server how far it was read, and which messages", async () => {
  server.add(ID, 3);
  server.chats.get(ID).hasReadSeq = 1;
  await start();
  await chat.open(conversation());
  await chat.markRead(conversation());
  const [call] = server.of("msg/mark_conversation_as_read");
  assert.deepEqual(call, { conversationID: ID, userID: "alice", hasReadSeq: 3, seqs: [1, 2, 3] });
  await chat.markRead(conversation());
  assert.deepEqual([server.of("msg/mark_conversation_as_read").length, chat.unread], [1, 0]);
});

test("a push is news once, own messages on another device are not unread", async () => {
  server.add(ID, 1);
  await start();
  const second = server.add(ID, 1);
  server.push(ID, second);
  server.push(ID, second);
  assert.deepEqual([seqs(), chat.unread], [[1, 2], 2]);
  server.push(ID, server.add(ID, 1, { sendID: "alice", recvID: "bob" }));
  assert.equal(chat.unread, 0);
});

test("a push after a hole fetches what is missing", async () => {
  server.add(ID, 1);
  await start();
  server.push(ID, server.add(ID, 3));
  await settle();
  assert.deepEqual([server.of("seqs"), seqs()], [[[3, 2]], [1, 2, 3, 4]]);
});

test("a push of an unknown chat makes it", async () => {
  await start();
  server.push(ID, server.add(ID, 1));
  await settle();
  assert.deepEqual([chat.list.map(({ id }) => id), chat.nameOf(conversation()), chat.unread], [[ID], "BOB", 1]);
});

test("a message is sent, answered, and then takes the place of its echo", async () => {
  server.add(ID, 1);
  await start();
  chat.send(conversation(), "hello");
  await settle();
  const [sent] = server.of("send");
  assert.deepEqual([sent.sendID, sent.recvID, sent.sessionType, sent.msgFrom, sent.seq, sent.sendTime], ["alice", "bob", 1, 100, 0, 0]);
  assert.deepEqual([sent.clientMsgID.length, conversation().newest.delivery], [32, "sent"]);
  server.push(ID, server.add(ID, 1, { sendID: "alice", clientMsgID: sent.clientMsgID }));
  assert.deepEqual(seqs(), [1, 2]);
});

test("a refusal is told, and another try carries the same id", async () => {
  server.add(ID, 1);
  await start();
  server.moods.set(Request.SEND, 1302);
  chat.send(conversation(), "hello");
  await settle();
  const failed = conversation().newest;
  assert.deepEqual([failed.delivery, failed.fault.code], ["failed", 1302]);
  server.moods.clear();
  chat.deliver(conversation(), failed);
  await settle();
  const [first, second] = server.of("send");
  assert.deepEqual([failed.delivery, second.clientMsgID], ["sent", first.clientMsgID]);
});

test("an answer lost with the connection means another try after the sync, unless the sync brings the message", async () => {
  server.add(ID, 1);
  await start();
  server.moods.set(Request.SEND, "lost");
  chat.send(conversation(), "stored");
  await settle();
  server.add(ID, 1, { sendID: "alice", clientMsgID: server.of("send")[0].clientMsgID });
  mock.timers.tick(30_000);
  await settle();
  assert.deepEqual([server.of("send").length, seqs()], [1, [1, 2]]);

  chat.send(conversation(), "not stored");
  await settle();
  server.moods.clear();
  mock.timers.tick(30_000);
  await settle();
  const ids = server.of("send").slice(1).map(({ clientMsgID }) => clientMsgID);
  assert.deepEqual([ids.length, ids[0] === ids[1], conversation().newest.delivery], [2, true, "sent"]);
});

test("what is written without a connection goes out in order after the next sync", async () => {
  server.add(ID, 1);
  await start();
  server.drop();
  for (const text of ["one", "two", "three"]) chat.send(conversation(), text);
  await settle();
  assert.equal(server.of("send").length, 0);
  mock.timers.tick(30_000);
  await settle();
  const texts = server.of("send").map(({ content }) => JSON.parse(new TextDecoder().decode(content)).content);
  assert.deepEqual(texts, ["one", "two", "three"]);
});

test("one more message than may wait is refused", async () => {
  server.add(ID, 1);
  await start();
  server.drop();
  for (let index = 0; index < 100; index += 1) chat.send(conversation(), "x");
  assert.throws(() => chat.send(conversation(), "x"), { code: "TOO_MUCH" });
});

test("a text that would not fit into a frame is refused before it is shown", async () => {
  server.add(ID, 1);
  await start();
  assert.throws(() => chat.send(conversation(), "ä".repeat(18_001)), { code: "TOO_LONG" });
  assert.equal(conversation().unsent, 0);
});

test("after a reconnect only what has grown is pulled, and a hole below it is filled on demand", async () => {
  server.add(ID, 5);
  server.add("si_alice_carla", 1);
  await start();
  await chat.open(conversation());
  server.add(ID, 80);
  await reconnect();
  assert.deepEqual(server.of("ranges").at(-1), [{ conversationID: ID, begin: 6, end: 85, num: 50 }]);
  assert.deepEqual([seqs()[0], seqs().at(-1)], [36, 85]);
  await chat.loadOlder(conversation());
  assert.deepEqual(seqs(), Array.from({ length: 85 }, (_, index) => index + 1));
});

test("receipts that came while it was away are asked for", async () => {
  server.add(ID, 2, { sendID: "alice", recvID: "bob" });
  await start();
  await chat.open(conversation());
  for (const message of server.chats.get(ID).messages) message.isRead = true;
  await reconnect();
  assert.deepEqual(conversation().visible.map(({ isRead }) => isRead), [true, true]);
});

test("receipts mark what the other has read, and what oneself has read elsewhere", async () => {
  server.add(ID, 1, { sendID: "alice", recvID: "bob" });
  server.add(ID, 2);
  await start();
  await chat.open(conversation());
  server.notify(2200, { markAsReadUserID: "bob", conversationID: ID, seqs: [1], hasReadSeq: 1 });
  assert.deepEqual([conversation().visible[0].isRead, chat.unread], [true, 2]);
  server.notify(2200, { markAsReadUserID: "alice", conversationID: ID, seqs: null, hasReadSeq: 3 });
  assert.equal(chat.unread, 0);
});

test("typing is shown for some seconds, stored nowhere and ended by a message", async () => {
  server.add(ID, 1);
  await start();
  const typing = { sendID: "bob", recvID: "alice", contentType: 113, seq: 0, content: new TextEncoder().encode('{"msgTips":"yes"}') };
  server.push(ID, typing);
  assert.ok(conversation().typingUntil > Date.now());
  server.push(ID, server.add(ID, 1));
  assert.deepEqual([conversation().typingUntil, seqs()], [0, [1, 2]]);
});

test("a failed sync means a new connection", async () => {
  server.moods.set(Request.NEWEST_SEQS, 90004);
  await start();
  assert.deepEqual([chat.phase, chat.trouble.code, chat.synced], ["waiting", 90004, false]);
  server.moods.clear();
  mock.timers.tick(30_000);
  await settle();
  assert.deepEqual([chat.trouble, chat.synced], [null, true]);
});

test("a token that HTTP refuses ends it", async () => {
  server.add(ID, 1);
  await start();
  server.http.post = async () => {
    throw new Fault(1507);
  };
  await chat.markRead(conversation());
  assert.deepEqual([chat.phase, chat.trouble.code], ["ended", 1507]);
});

test("a receipt that fails is told once and not tried again before something changes", async () => {
  server.add(ID, 1);
  await start();
  const { post } = server.http;
  server.http.post = async () => {
    throw new Fault(500);
  };
  await chat.markRead(conversation());
  await chat.markRead(conversation());
  assert.equal(faults.length, 1);
  server.http.post = post;
  server.push(ID, server.add(ID, 1));
  await chat.markRead(conversation());
  assert.equal(chat.unread, 0);
});

test("oneself and unknown users can't be written to", async () => {
  await start();
  await assert.rejects(chat.startWith("alice"), { code: "YOURSELF" });
  server.http.post = async () => ({ usersInfo: [] });
  await assert.rejects(chat.startWith("nobody"), { code: 1101 });
});

const GROUP_ID = "sg_7";
const inGroup = { groupID: "7", recvID: "", sessionType: 3, senderNickname: "Bob" };
const walk = { groupID: "7", groupName: "Walk", memberCount: 3, status: 0 };

test("a group is called by its name, and messages in it are sent to the group", async () => {
  server.groups = [walk];
  server.add(GROUP_ID, 2, inGroup);
  await start();
  const group = chat.conversations.get(GROUP_ID);
  assert.deepEqual([chat.nameOf(group), group.otherID, chat.people.nameOf("bob")], ["Walk", "7", "Bob"]);
  chat.send(group, "hello");
  await settle();
  const [sent] = server.of("send");
  assert.deepEqual([sent.groupID, sent.recvID, sent.sessionType], ["7", "", 3]);
});

test("a group that one is added to is met by its first message", async () => {
  await start();
  server.groups = [walk];
  server.push(GROUP_ID, server.add(GROUP_ID, 1, inGroup));
  await settle();
  const group = chat.conversations.get(GROUP_ID);
  assert.deepEqual([chat.nameOf(group), group.unread, chat.groups.hasJoined("7")], ["Walk", 1, true]);
});

test("reading in a group tells the server how far, not which", async () => {
  server.groups = [walk];
  server.add(GROUP_ID, 2, inGroup);
  await start();
  await chat.markRead(chat.conversations.get(GROUP_ID));
  assert.deepEqual(server.of("msg/mark_conversation_as_read"), [{ conversationID: GROUP_ID, userID: "alice", hasReadSeq: 2, seqs: [] }]);
  await chat.markRead(chat.conversations.get(GROUP_ID));
  assert.equal(server.of("msg/mark_conversation_as_read").length, 1);
});

test("a notification renames the group, and takes out who was removed", async () => {
  server.groups = [walk];
  server.add(GROUP_ID, 1, inGroup);
  await start();
  server.notifyGroup(1520, "7", { group: { ...walk, groupName: "Run" } });
  assert.equal(chat.nameOf(chat.conversations.get(GROUP_ID)), "Run");
  server.notifyGroup(1508, "7", { group: walk, kickedUserList: [{ userID: "alice" }] });
  assert.equal(chat.groups.hasLeft("7"), true);
});

test("old notifications in the history change nothing", async () => {
  server.groups = [walk];
  const content = new TextEncoder().encode(JSON.stringify({ detail: JSON.stringify({ group: { ...walk, groupName: "Old" }, kickedUserList: [{ userID: "alice" }] }) }));
  server.add(GROUP_ID, 2, { ...inGroup, contentType: 1508, content });
  await start();
  await chat.open(chat.conversations.get(GROUP_ID));
  assert.deepEqual([chat.nameOf(chat.conversations.get(GROUP_ID)), chat.groups.hasLeft("7")], ["Walk", false]);
});

test("a new group has a conversation at once", async () => {
  await start();
  const group = await chat.startGroup("Walk", ["bob"]);
  assert.deepEqual([group.id, chat.nameOf(group)], ["sg_9", "Walk"]);
  const [made] = server.of("group/create_group");
  assert.deepEqual([made.ownerUserID, made.memberUserIDs, made.groupInfo], ["alice", ["bob"], { groupName: "Walk", groupType: 2 }]);
});

test("notifications of friends read the lists anew", async () => {
  await start();
  const before = server.of("friend/get_friend_list").length;
  server.notify(1203, {});
  await settle();
  assert.equal(server.of("friend/get_friend_list").length, before + 1);
});

test("the other side of the open chat is watched, and watched again after a reconnect", async () => {
  server.add(ID, 1);
  server.online.add("bob");
  await start();
  await chat.open(conversation());
  assert.equal(chat.presence.isOnline("bob"), true);
  server.online.delete("bob");
  server.tellPresence("bob");
  assert.equal(chat.presence.isOnline("bob"), false);
  server.online.add("bob");
  await reconnect();
  assert.equal(chat.presence.isOnline("bob"), true);
  await chat.open(null);
  assert.deepEqual(server.of("presence").at(-1), { subscribeUserID: [], unsubscribeUserID: ["bob"] });
  assert.equal(chat.presence.isOnline("bob"), null);
});
