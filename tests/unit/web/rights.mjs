// Writes which actions are offered to each role, for the test that compares them with the server's table.

import { Groups, Role } from "./groups.js";

async function groupsOf(roleLevel) {
  const answers = {
    "group/get_joined_group_list": { groups: [{ groupID: "7", memberCount: 2 }] },
    "group/get_group_members_info": { members: [{ userID: "ann", roleLevel }] },
  };
  const groups = new Groups("ann", async (route) => answers[route] ?? {}, () => {});
  await groups.learn([]);
  await groups.open("7");
  return groups;
}

const offered = {};
for (const [name, roleLevel] of Object.entries(Role)) {
  const groups = await groupsOf(roleLevel);
  const over = Object.entries(Role).map(([other, level]) => [other, groups.rightsOver({ userID: "ben", roleLevel: level })]);
  offered[name] = { group: groups.rights, over: Object.fromEntries(over), oneself: groups.rightsOver({ userID: "ann", roleLevel }) };
}
console.log(JSON.stringify(offered));
