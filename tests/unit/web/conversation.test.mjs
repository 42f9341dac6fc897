// What a conversation holds after pushes, pulls and own sends in any order.

import assert from "node:assert/strict";
import test from "node:test";
import { Conversation, singleChatID } from "./conversation.js";

const message = (seq, fields = {}) => ({
  seq,
  sendID: "bob",
  clientMsgID: `id ${seq}`,
  sendTime: 1_000 + seq,
  status: 2,
  isRead: false,
  ...fields,
});
const seqsOf = (conversation) => conversation.visible.map(({ seq }) => seq);
const chat = () => new Conversation("si_alice_bob", 1, "bob");

test("the id of a chat is in the order of UTF-8, not of UTF-16", () => {
  assert.equal(singleChatID("bob", "alice"), "si_alice_bob");
  assert.equal(singleChatID("al", "alice"), "si_al_alice");
  assert.equal(singleChatID("🙂", "\uff5e"), "si_\uff5e_🙂");
});

test("a message counts once, however often it comes", () => {
  const conversation = chat();
  assert.equal(conversation.accept(message(1)), true);
  assert.equal(conversation.accept(message(1)), false);
  assert.deepEqual([seqsOf(conversation), conversation.unread], [[1], 1]);
});

test("what is older than a hole is not shown until the hole is filled", () => {
  const conversation = chat();
  for (const seq of [1, 2, 5]) conversation.accept(message(seq));
  assert.deepEqual([seqsOf(conversation), conversation.floor, conversation.missing(1, 5)], [[5], 5, [4, 3]]);
  for (const seq of [3, 4]) conversation.accept(message(seq));
  assert.deepEqual([seqsOf(conversation), conversation.isComplete], [[1, 2, 3, 4, 5], true]);
});

test("a deleted message is not shown and not asked for again", () => {
  const conversation = chat();
  conversation.accept(message(1));
  conversation.accept(message(2, { status: 4, clientMsgID: "" }));
  assert.deepEqual([seqsOf(conversation), conversation.newest.seq, conversation.missing(1, 2)], [[1], 1, []]);
});

test("the echo takes the place of the own message that waits", () => {
  const conversation = chat();
  conversation.add(message(0, { sendID: "alice", clientMsgID: "mine", sendTime: 0, delivery: "sending" }));
  conversation.accept(message(1));
  assert.deepEqual(seqsOf(conversation), [1, 0]);
  conversation.accept(message(2, { sendID: "alice", clientMsgID: "mine" }));
  assert.deepEqual([seqsOf(conversation), conversation.waiting], [[1, 2], []]);
});

test("another sender's clientMsgID proves nothing", () => {
  const conversation = chat();
  conversation.add(message(0, { sendID: "alice", clientMsgID: "mine", sendTime: 0, delivery: "waiting" }));
  conversation.accept(message(1, { clientMsgID: "mine" }));
  assert.deepEqual([seqsOf(conversation), conversation.waiting.length], [[1, 0], 1]);
});

test("numbers never go back, and a read mark survives a pull that does not know it yet", () => {
  const conversation = chat();
  conversation.raise(7, 5);
  conversation.raise(6, 3);
  assert.deepEqual([conversation.maxSeq, conversation.unread], [7, 2]);
  conversation.accept(message(7));
  conversation.markRead([7, 8]);
  conversation.accept(message(7));
  assert.equal(conversation.newest.isRead, true);
});

test("below the lowest seq nothing is missing", () => {
  const conversation = chat();
  conversation.minSeq = 4;
  conversation.accept(message(5));
  assert.deepEqual([conversation.isComplete, conversation.missing(1, 5)], [false, [4]]);
  conversation.accept(message(4));
  assert.equal(conversation.isComplete, true);
});

test("a conversation that nobody looks at keeps its newest messages only", () => {
  const conversation = chat();
  for (let seq = 1; seq <= 500; seq += 1) conversation.accept(message(seq));
  conversation.trim();
  assert.deepEqual([conversation.floor, conversation.newest.seq], [301, 500]);
});
