// What the page knows of friends and asks of the server about them.

import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { Friends } from "./friends.js";
import { idsIn } from "./people_picker.js";

let asked, friends, changes;

beforeEach(async () => {
  [asked, changes] = [[], 0];
  const answers = {
    "friend/get_friend_list": { friendsInfo: [{ friendUser: { userID: "ben" } }] },
    "friend/get_friend_apply_list": { FriendRequests: [{ fromUserID: "cyril" }] },
    "friend/get_self_friend_apply_list": { friendRequests: null },
    "friend/get_black_list": { blacks: [{ blackUserInfo: { userID: "eve" } }] },
  };
  const ask = async (route, body) => {
    asked.push([route, body]);
    return answers[route] ?? {};
  };
  friends = new Friends("ann", ask, () => (changes += 1));
  await friends.load();
});

test("all lists are read, of applications those without an answer", () => {
  assert.deepEqual([friends.has("ben"), friends.has("eve"), friends.hasBlocked("eve"), friends.hasAsked("ben")], [true, false, true, false]);
  assert.deepEqual(friends.received.map(({ fromUserID }) => fromUserID), ["cyril"]);
  const applications = asked.filter(([route]) => route.endsWith("apply_list"));
  assert.deepEqual(applications.map(([, { handleResults }]) => handleResults), [[0], [0]]);
  assert.equal(changes, 1);
});

test("an answer names the applicant first, and the lists are read anew", async () => {
  asked = [];
  await friends.accept("cyril");
  assert.deepEqual(asked[0], ["friend/add_friend_response", { fromUserID: "cyril", toUserID: "ann", handleResult: 1, handleMsg: "" }]);
  assert.deepEqual([asked.length, changes], [5, 2]);
  await friends.refuse("cyril");
  assert.equal(asked[5][1].handleResult, -1);
});

test("notifications of friends are told from others", () => {
  const concerned = [1200, 1201, 1203, 1208, 1210, 1300, 1501].filter((contentType) => friends.concerns({ contentType }));
  assert.deepEqual(concerned, [1201, 1203, 1208, 1210]);
});

test("ids are separated by commas, others may hold spaces", () => {
  assert.deepEqual(idsIn(" ann, ben b ,,\ncyril "), ["ann", "ben b", "cyril"]);
});
