// What the page knows of groups and asks of the server about them.

import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { Groups, Joining, Role } from "./groups.js";

let asked, answers, groups;

const member = (userID, roleLevel = Role.MEMBER) => ({ groupID: "7", userID, nickname: userID.toUpperCase(), roleLevel, muteEndTime: 0 });
const routes = () => asked.map(([route]) => route.replace("group/", ""));

beforeEach(() => {
  asked = [];
  answers = {
    get_joined_group_list: { groups: [{ groupID: "7", groupName: "Walk", memberCount: 2, status: 0 }] },
    get_groups_info: { groupInfos: [{ groupID: "7", groupName: "Walk", memberCount: 2, status: 0 }] },
    get_group_member_list: { members: [member("olga", Role.OWNER), member("ann")] },
    get_group_members_info: { members: [member("ann")] },
  };
  const ask = async (route, body) => {
    asked.push([route, body]);
    const answer = answers[route.replace("group/", "")];
    if (answer instanceof Error) throw answer;
    return answer ?? {};
  };
  groups = new Groups("ann", ask, () => {});
});

function notify(contentType, detail) {
  const content = new TextEncoder().encode(JSON.stringify({ detail: JSON.stringify({ group: { groupID: "7", groupName: "Walk", status: 0 }, ...detail }) }));
  return groups.heed({ contentType, content, groupID: "7" });
}

test("a group that was left is named all the same", async () => {
  answers.get_joined_group_list = { groups: null };
  await groups.learn(["7"]);
  assert.deepEqual([groups.nameOf("7"), groups.hasLeft("7"), groups.nameOf("8")], ["Walk", true, "Group 8"]);
});

test("nobody counts as gone before it is known who is in", () => {
  assert.equal(groups.hasLeft("7"), false);
});

test("opening reads the members and what oneself is", async () => {
  await groups.learn([]);
  await groups.open("7");
  assert.deepEqual(groups.members.map(({ userID }) => userID), ["olga", "ann"]);
  assert.equal(groups.own.roleLevel, Role.MEMBER);
  assert.deepEqual(groups.rights, { invite: true, change: false, answer: false, muteGroup: false, leave: true, dismiss: false });
});

test("the members of a group that was left are not asked for", async () => {
  answers.get_joined_group_list = { groups: [] };
  await groups.learn([]);
  await groups.open("7");
  assert.deepEqual(routes(), ["get_joined_group_list", "get_groups_info"]);
  assert.deepEqual(Object.values(groups.rights), [false, false, false, false, false, false]);
});

test("who is removed may nothing any more, who is added again may", async () => {
  await groups.learn([]);
  await groups.open("7");
  notify(1508, { kickedUserList: [member("ann")] });
  assert.deepEqual([groups.hasLeft("7"), groups.rights.invite], [true, false]);
  notify(1509, { invitedUserList: [member("ann")] });
  assert.deepEqual([groups.hasLeft("7"), groups.rights.invite], [false, true]);
  notify(1508, { kickedUserList: [member("olga")] });
  assert.equal(groups.hasLeft("7"), false);
});

test("a dismissed group is left by everybody", async () => {
  await groups.learn([]);
  notify(1511, { group: { groupID: "7", groupName: "Walk", status: 2 } });
  assert.deepEqual([groups.isDismissed("7"), groups.hasLeft("7")], [true, true]);
});

test("a notification tells the new name and that all are muted", async () => {
  notify(1520, { group: { groupID: "7", groupName: "Run", status: 3 } });
  assert.deepEqual([groups.nameOf("7"), groups.isMuted("7")], ["Run", true]);
  assert.equal(groups.heed({ contentType: 101, content: new Uint8Array(), groupID: "7" }), false);
});

test("changes name the group that is looked at, and read it anew", async () => {
  await groups.learn([]);
  await groups.open("7");
  asked = [];
  await groups.mute("ben", 600);
  assert.deepEqual(asked[0], ["group/mute_group_member", { groupID: "7", userID: "ben", mutedSeconds: 600 }]);
  assert.ok(routes().includes("get_group_member_list"));
  answers.kick_group = new Error("refused");
  await assert.rejects(groups.kick("ben"), /refused/);
});

test("who joins is in, or has asked", async () => {
  const group = answers.get_joined_group_list.groups[0];
  answers.get_joined_group_list = { groups: null };
  await groups.learn([]);
  assert.equal(await groups.join("7", "Hello"), false);
  const body = { groupID: "7", reqMessage: "Hello", joinSource: 3, inviterUserID: "ann", ex: "" };
  assert.deepEqual(asked.find(([route]) => route === "group/join_group")[1], body);
  answers.get_joined_group_list = { groups: [group] };
  assert.equal(await groups.join("7", ""), true);
  asked = [];
  assert.equal(await groups.join("7", ""), true);
  assert.deepEqual(routes(), ["get_groups_info"]);
});

test("a group that is unknown or over can't be joined", async () => {
  await assert.rejects(groups.join("8", ""), { code: 1201 });
  answers.get_groups_info.groupInfos[0].status = 2;
  await assert.rejects(groups.join("7", ""), { code: 1204 });
  assert.deepEqual(routes().filter((route) => route === "join_group"), []);
});

test("where nobody comes in directly, ordinary members only propose", async () => {
  answers.get_joined_group_list.groups[0].needVerification = Joining.NOBODY;
  answers.get_groups_info.groupInfos[0].needVerification = Joining.NOBODY;
  await groups.learn([]);
  await groups.open("7");
  assert.equal(groups.proposesOnly, true);
  answers.get_group_members_info.members[0].roleLevel = Role.ADMIN;
  await groups.setJoining(Joining.NOBODY);
  assert.equal(groups.proposesOnly, false);
});

test("members come by pages, and what was shown stays when they are read anew", async () => {
  const pages = [Array.from({ length: 100 }, (_, index) => member(`a${index}`)), [member("ann")]];
  answers.get_joined_group_list.groups[0].memberCount = 101;
  answers.get_groups_info.groupInfos[0].memberCount = 101;
  Object.defineProperty(answers, "get_group_member_list", { get: () => ({ members: pages[asked.at(-1)[1].pagination.pageNumber - 1] }) });
  await groups.learn([]);
  await groups.open("7");
  assert.deepEqual([groups.members.length, groups.hasMore], [100, true]);
  await groups.showMore();
  assert.deepEqual([groups.members.length, groups.hasMore], [101, false]);
  await groups.reload();
  assert.equal(groups.members.length, 101);
});

test("what is read of one group is not shown in another", async () => {
  await groups.learn([]);
  const first = groups.open("7");
  const second = groups.open("");
  await Promise.all([first, second]);
  assert.deepEqual([groups.openID, groups.members], ["", []]);
});

test("many wishes to read again are one more reading", async () => {
  await groups.learn([]);
  await groups.open("7");
  asked = [];
  await Promise.all([groups.reload(), groups.reload(), groups.reload(), groups.reload()]);
  assert.equal(routes().filter((route) => route === "get_groups_info").length, 2);
});

test("a reading that failed does not stop the next", async () => {
  await groups.learn([]);
  answers.get_groups_info = new Error("gone");
  await assert.rejects(groups.open("7"), /gone/);
  answers.get_groups_info = { groupInfos: [{ groupID: "7", groupName: "Back" }] };
  await groups.reload();
  assert.equal(groups.nameOf("7"), "Back");
});
