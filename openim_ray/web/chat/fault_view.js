// Showing faults: in a place of their own, or as notices in the corner.

import { fromTemplate, part, setText } from "./dom.js";

const NOTICES_MAX = 4;

/** Shows a fault in `place`, or hides the place if there is none. */
export function showFault(place, fault) {
  place.hidden = fault === null;
  if (fault === null) place.replaceChildren();
  else place.replaceChildren(describe(fault));
}

/** One line, for where there is no room for more: the server's own words only where this page's don't say what it was. */
export function faultLine(fault) {
  const detail = fault.isVague && fault.detail && `— ${fault.detail}`;
  const words = [fault.message, fault.advice, fault.command, detail, isServers(fault) && `(code ${fault.code})`];
  return words.filter(Boolean).join(" ");
}

/** A notice that stays until dismissed. The same one is not shown twice, and the oldest gives way. */
export function notify(fault) {
  const notices = document.getElementById("notices");
  const same = [...notices.children].find((notice) => notice.dataset.code === String(fault.code));
  same?.remove();
  if (notices.children.length >= NOTICES_MAX) notices.firstElementChild.remove();
  const notice = fromTemplate("notice");
  notice.dataset.code = fault.code;
  showFault(part(notice, "fault"), fault);
  part(notice, "dismiss").onclick = () => notice.remove();
  notices.append(notice);
}

export function clearNotices() {
  document.getElementById("notices").replaceChildren();
}

function describe(fault) {
  const element = fromTemplate("fault");
  setText(part(element, "what"), fault.message);
  setText(part(element, "code"), isServers(fault) ? `Code ${fault.code}` : "");
  setText(part(element, "advice"), fault.advice);
  setText(part(element, "command"), fault.command);
  part(element, "command").hidden = fault.command === "";
  setText(part(element, "detail"), fault.detail);
  part(element, "detail").hidden = fault.detail === "";
  return element;
}

/** Only the server's codes mean something to whoever looks them up; the names are this page's own. */
function isServers(fault) {
  return typeof fault.code === "number";
}
