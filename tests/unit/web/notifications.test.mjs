// How notifications of friends and groups are put into words, and what they change, whatever is in them.

import assert from "node:assert/strict";
import test from "node:test";
import { sentence, toldOf } from "./notifications.js";

const ANN = { userID: "ann", nickname: "Ann" };
const BEN = { userID: "ben", nickname: "Ben" };
const CYRIL = { userID: "cyril", nickname: "" };
const GROUP = { groupID: "7", groupName: "Walk", notification: "At nine" };

const message = (contentType, detail) => ({
  contentType,
  groupID: "7",
  content: new TextEncoder().encode(JSON.stringify({ detail: JSON.stringify(detail) })),
});
const said = (contentType, detail, readerID = "dora") => sentence(message(contentType, { group: GROUP, opUser: ANN, ...detail }), readerID);

test("each kind is a plain sentence", () => {
  assert.equal(said(1201, {}), "You are friends now.");
  assert.equal(said(1501, {}), "Ann created the group.");
  assert.equal(said(1504, { quitUser: BEN }), "Ben left the group.");
  assert.equal(said(1507, { newGroupOwner: BEN }), "Ann made Ben the owner of the group.");
  assert.equal(said(1508, { kickedUserList: [BEN, CYRIL] }), "Ann removed Ben and cyril from the group.");
  assert.equal(said(1509, { invitedUserList: [BEN] }), "Ann added Ben to the group.");
  assert.equal(said(1510, { entrantUser: BEN }), "Ben joined the group.");
  assert.equal(said(1511, {}), "Ann dismissed the group.");
  assert.equal(said(1513, { mutedUser: BEN }), "Ann unmuted Ben.");
  assert.equal(said(1514, {}), "Ann muted the group: only its admins can write.");
  assert.equal(said(1515, {}), "Ann unmuted the group.");
  assert.equal(said(1517, { changedUser: BEN }), "Ann made Ben an admin.");
  assert.equal(said(1519, {}), "Ann announced: At nine");
  assert.equal(said(1520, {}), "Ann named the group “Walk”.");
});

test("the reader is spoken to", () => {
  assert.equal(said(1501, {}, "ann"), "You created the group.");
  assert.equal(said(1508, { kickedUserList: [BEN] }, "ben"), "Ann removed you from the group.");
  assert.equal(said(1504, { quitUser: BEN }, "ben"), "You left the group.");
  assert.equal(said(1517, { changedUser: BEN }, "ben"), "Ann made you an admin.");
});

test("times are told in the unit that fits", () => {
  const muted = (mutedSeconds) => said(1512, { mutedUser: BEN, mutedSeconds });
  assert.equal(muted(30), "Ann muted Ben for 30 seconds.");
  assert.equal(muted(60), "Ann muted Ben for 1 minute.");
  assert.equal(muted(7_200), "Ann muted Ben for 2 hours.");
  assert.equal(muted(86_400), "Ann muted Ben for 1 day.");
});

test("of many names the first are told", () => {
  const invitedUserList = Array.from({ length: 9 }, (_, index) => ({ userID: `u${index}`, nickname: "" }));
  assert.equal(said(1509, { invitedUserList }), "Ann added u0, u1, u2, u3, u4 and 4 more to the group.");
});

test("tips of another shape do no harm", () => {
  for (let contentType = 1501; contentType <= 1520; contentType += 1)
    for (const detail of [null, 7, [], { opUser: 7, group: "x", kickedUserList: "x", invitedUserList: [null, 7], mutedUser: { nickname: {} } }]) {
      const broken = message(contentType, detail);
      assert.equal(typeof sentence(broken, "ann"), "string");
      const told = toldOf(broken);
      assert.deepEqual([told.groupID, told.group, told.came, told.went, told.roles], ["7", null, [], [], []]);
    }
  assert.equal(sentence(message(101, {}), "ann"), "");
});

test("who comes, who goes and whose role changes is told, and the end", () => {
  assert.deepEqual(toldOf(message(1501, { group: GROUP, groupOwnerUser: ANN, memberList: [BEN] })).came, ["ann", "ben"]);
  assert.deepEqual(toldOf(message(1509, { group: GROUP, invitedUserList: [BEN, CYRIL] })).came, ["ben", "cyril"]);
  assert.deepEqual(toldOf(message(1510, { group: GROUP, entrantUser: BEN })).came, ["ben"]);
  assert.deepEqual(toldOf(message(1504, { group: GROUP, quitUser: BEN })).went, ["ben"]);
  assert.deepEqual(toldOf(message(1508, { group: GROUP, kickedUserList: [BEN] })).went, ["ben"]);
  assert.deepEqual(toldOf(message(1507, { group: GROUP, newGroupOwner: BEN, oldGroupOwnerInfo: ANN })).roles, ["ben", "ann"]);
  assert.deepEqual(toldOf(message(1517, { group: GROUP, changedUser: BEN })).roles, ["ben"]);
  const end = toldOf(message(1511, { group: GROUP }));
  assert.deepEqual([end.isEnd, end.group], [true, GROUP]);
  assert.equal(toldOf(message(1201, {})), null);
});
