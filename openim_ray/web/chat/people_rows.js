// A list of people, or of groups: who it is, a line about each, and what can be done.

import { showActions } from "./actions.js";
import { fromTemplate, part, setText, showAvatar, showItems } from "./dom.js";

/**
 * Shows `people`: {userID, name, line, actions, open, key, isGroup}. A press on somebody calls `open()`, if there is one; `actions` are as in
 * `showActions`, and stand in a fold with the template "member". With `key` somebody can stand in the list several times.
 */
export function showPeople(place, people, faultPlace, template = "person") {
  const update = (element, person) => showPerson(element, person, faultPlace);
  showItems(place, people, ({ key, userID }) => key ?? userID, () => fromTemplate(template), update);
}

function showPerson(element, { userID, name, line, actions, open, isGroup = false }, faultPlace) {
  showAvatar(part(element, "avatar"), userID, name);
  part(element, "avatar").classList.toggle("group", isGroup);
  setText(part(element, "name"), name);
  setText(part(element, "line"), line);
  part(element, "who").title = userID;
  part(element, "who").disabled = open === undefined;
  part(element, "who").onclick = open ?? null;
  showActions(part(element, "actions"), actions, faultPlace);
  const fold = part(element, "fold");
  if (fold !== null) fold.hidden = actions.length === 0;
}
