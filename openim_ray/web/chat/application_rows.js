// One application to join a group, with its two answers, as a row of a list of people.

import { keyOf } from "./applications.js";

/** For `showPeople`. `withGroup`: the line says which group it is about. */
export function applicationOf(chat, request, withGroup = true) {
  const { userInfo, groupInfo, inviterUserID, reqMsg } = request;
  const group = withGroup && (groupInfo.groupName || groupInfo.groupID);
  const inviter = inviterUserID && `invited by ${chat.people.nameOf(inviterUserID)}`;
  const actions = [
    { words: "Accept", run: () => chat.applications.accept(request) },
    { words: "Refuse", run: () => chat.applications.refuse(request) },
  ];
  return {
    key: keyOf(request),
    userID: userInfo.userID,
    name: userInfo.nickname || userInfo.userID,
    line: [group, inviter, reqMsg || (!inviter && userInfo.userID)].filter(Boolean).join(" · "),
    actions,
  };
}
