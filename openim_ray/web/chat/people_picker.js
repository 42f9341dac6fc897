// Choosing people: by ticking friends, and by typing ids.

import { fromTemplate, part, setText, showAvatar, showItems } from "./dom.js";

export class PeoplePicker {
  #root;

  constructor(root) {
    this.#root = root;
    root.replaceChildren(fromTemplate("people-picker"));
  }

  /** Ids without repetition: the ticked ones, then the typed ones. */
  get userIDs() {
    const ticked = [...this.#root.querySelectorAll("input:checked")].map(({ value }) => value);
    return [...new Set([...ticked, ...idsIn(part(this.#root, "ids").value)])];
  }

  /** Offers these, each {userID, name}; what is ticked stays ticked. */
  offer(people) {
    part(this.#root, "choices-section").hidden = people.length === 0;
    showItems(part(this.#root, "choices"), people, ({ userID }) => userID, () => fromTemplate("choice"), showChoice);
  }

  focus() {
    part(this.#root, "ids").focus();
  }
}

/** Ids that are separated by commas or line ends: others may hold spaces. */
export function idsIn(text) {
  return text.split(/[,\n]/).map((id) => id.trim()).filter((id) => id !== "");
}

/** A user's friends, as a picker offers them, without those who are there already. */
export function friendChoices({ friends }, exceptIDs = []) {
  const except = new Set(exceptIDs);
  const people = friends.list.map(({ friendUser, remark }) => ({ userID: friendUser.userID, name: remark || friendUser.nickname || friendUser.userID }));
  return people.filter(({ userID }) => !except.has(userID));
}

function showChoice(element, { userID, name }) {
  part(element, "tick").value = userID;
  showAvatar(part(element, "avatar"), userID, name);
  setText(part(element, "name"), name);
}
