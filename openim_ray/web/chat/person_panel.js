// About the other person of a chat: who it is, and what this user can do.

import { showActions } from "./actions.js";
import { part, setText, showAvatar } from "./dom.js";
import { showFault } from "./fault_view.js";

export class PersonPanel {
  constructor(root) {
    this.root = root;
  }

  reset() {
    showFault(part(this.root, "fault"), null);
  }

  render(chat, { otherID }) {
    const name = chat.people.nameOf(otherID);
    const isOnline = chat.presence.isOnline(otherID);
    showAvatar(part(this.root, "panel-avatar"), otherID, name);
    setText(part(this.root, "panel-name"), name);
    setText(part(this.root, "panel-id"), otherID);
    setText(part(this.root, "panel-presence"), isOnline === null ? "" : isOnline ? "online" : "offline");
    setText(part(this.root, "panel-relation"), relation(chat.friends, otherID));
    showActions(part(this.root, "panel-actions"), actions(chat.friends, otherID), part(this.root, "fault"));
  }
}

function relation(friends, userID) {
  if (friends.hasBlocked(userID)) return "You have blocked this person. Messages to you are refused.";
  if (friends.has(userID)) return "You are friends.";
  return friends.hasAsked(userID) ? "You have asked to be friends." : "";
}

function actions(friends, userID) {
  const remove = { words: "Remove friend", sure: "Really remove?", run: () => friends.remove(userID) };
  const add = { words: "Add friend", run: () => friends.request(userID) };
  const unblock = { words: "Unblock", run: () => friends.unblock(userID) };
  const block = { words: "Block", sure: "Really block?", run: () => friends.block(userID) };
  const friend = friends.has(userID) ? [remove] : friends.hasAsked(userID) ? [] : [add];
  return [...friend, friends.hasBlocked(userID) ? unblock : block];
}
