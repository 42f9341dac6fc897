// What the page knows of applications to join groups, and asks of the server about them.

import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { applicationOf } from "./application_rows.js";
import { Applications, isRefused } from "./applications.js";

let asked, answers, applications;

const request = (groupID, userID, fields = {}) => ({
  groupInfo: { groupID, groupName: `Group ${groupID}` }, userInfo: { userID, nickname: "" }, handleResult: 0, reqMsg: "", handleMsg: "", inviterUserID: "", ...fields,
});
const message = (contentType, detail) => ({
  contentType, content: new TextEncoder().encode(JSON.stringify({ detail: JSON.stringify({ group: { groupID: "7" }, ...detail }) })),
});

beforeEach(async () => {
  asked = [];
  answers = {
    "group/get_recv_group_applicationList": { groupRequests: [request("7", "ben"), request("8", "ben", { inviterUserID: "eve" })] },
    "group/get_user_req_group_applicationList": { groupRequests: null },
  };
  const ask = async (route, body) => {
    asked.push([route, body]);
    const answer = answers[route] ?? {};
    if (answer instanceof Error) throw answer;
    return answer;
  };
  applications = new Applications("ann", ask, () => {});
  await applications.load();
});

test("received ones without an answer are read, and of her own ones also what was refused lately", async () => {
  assert.deepEqual(asked.slice(0, 2).map(([, { handleResults }]) => handleResults), [[0], [0, -1]]);
  assert.deepEqual(applications.to("7").map(({ userInfo }) => userInfo.userID), ["ben"]);
  assert.deepEqual(applications.inviterIDs, ["eve"]);
  const [lately, longAgo] = [Date.now() - 86_400_000, Date.now() - 8 * 86_400_000];
  const sent = [request("1", "ann"), request("2", "ann", { handleResult: -1, handleTime: lately }), request("3", "ann", { handleResult: -1, handleTime: longAgo })];
  answers["group/get_user_req_group_applicationList"] = { groupRequests: sent };
  await applications.load();
  assert.deepEqual(applications.sent.map((one) => [one.groupInfo.groupID, isRefused(one)]), [["1", false], ["2", true]]);
});

test("an answer names group and applicant, and the lists are read anew, also when somebody else was faster", async () => {
  const [first] = applications.received;
  asked = [];
  await applications.accept(first);
  const body = { groupID: "7", fromUserID: "ben", handleResult: 1, handledMsg: "" };
  const readings = () => asked.filter(([route]) => route === "group/get_recv_group_applicationList").length;
  assert.deepEqual([asked[0], readings()], [["group/group_application_response", body], 1]);
  answers["group/group_application_response"] = new Error("answered before");
  asked = [];
  await assert.rejects(applications.refuse(first), /answered before/);
  assert.deepEqual([asked[0][1].handleResult, readings()], [-1, 1]);
});

test("who came in by another way wants nothing any more", async () => {
  answers["group/get_group_members_info"] = { members: [{ userID: "ben" }] };
  answers["group/get_recv_group_applicationList"].groupRequests = [request("7", "ben"), request("7", "cyril")];
  await applications.load();
  assert.deepEqual(applications.received.map(({ userInfo }) => userInfo.userID), ["cyril"]);
  answers["group/get_group_members_info"] = new Error("not allowed");
  await applications.load();
  assert.equal(applications.received.length, 2);
});

test("the lists change with applications, their answers, and with which groups one runs", () => {
  const own = { changedUser: { userID: "ann" }, newGroupOwner: { userID: "ben" }, oldGroupOwnerInfo: { userID: "ann" }, kickedUserList: [{ userID: "ann" }] };
  const others = { changedUser: { userID: "ben" }, newGroupOwner: { userID: "ben" }, kickedUserList: [{ userID: "ben" }] };
  const types = [1203, ...Array.from({ length: 20 }, (_, index) => 1501 + index)];
  assert.deepEqual(types.filter((type) => applications.concerns(message(type, own))), [1503, 1505, 1506, 1507, 1508, 1511, 1517, 1518]);
  assert.deepEqual(types.filter((type) => applications.concerns(message(type, others))), [1503, 1505, 1506, 1511]);
  assert.equal(applications.concerns(message(1510, { entrantUser: { userID: "ben" } })), true);
  assert.equal(applications.concerns(message(1510, { entrantUser: { userID: "cyril" } })), false);
});

test("a row tells the group, who invited, and the applicant's words; one user can stand there twice", () => {
  const chat = { applications, people: { nameOf: (userID) => userID.toUpperCase() } };
  const rows = applications.received.map((one) => applicationOf(chat, one));
  assert.deepEqual(rows.map(({ line }) => line), ["Group 7 · ben", "Group 8 · invited by EVE"]);
  assert.notEqual(rows[0].key, rows[1].key);
  assert.equal(applicationOf(chat, request("7", "ben", { reqMsg: "Hello" }), false).line, "Hello");
});
