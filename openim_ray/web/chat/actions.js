// Buttons for what can be done just now.

import { part, setText, showItems } from "./dom.js";
import { showFault } from "./fault_view.js";
import { asFault } from "./faults.js";

/** So long a button waits for the second press that says that the first was meant. */
const ASKING_MS = 5_000;

/** Does what was asked for; what goes wrong is shown in `place`. */
export async function attempt(place, work) {
  showFault(place, null);
  try {
    await work();
  } catch (error) {
    showFault(place, asFault(error));
  }
}

/** Does `work()` when a form is sent, and not again before it is done. What goes wrong is shown in the form. */
export function onSubmit(form, work) {
  let isBusy = false;
  form.onsubmit = async (event) => {
    event.preventDefault();
    if (isBusy) return;
    isBusy = true;
    await attempt(part(form, "fault"), work);
    isBusy = false;
  };
}

/**
 * Shows one button for each of `actions`: {words, run, sure}. `run()` rejects with what goes wrong, which is shown in `faultPlace`.
 * With `sure`, what can't be taken back is done at the second press only: the first one changes the button's words to these.
 */
export function showActions(place, actions, faultPlace) {
  const update = (button, action) => {
    button.onclick = () => press(button, action, faultPlace);
    button.classList.toggle("danger", action.sure !== undefined);
    if (button.dataset.asking === undefined) setText(button, action.words);
  };
  const hadFocus = place.contains(document.activeElement);
  showItems(place, actions, ({ words }) => words, create, update);
  if (hadFocus && !place.contains(document.activeElement)) place.firstElementChild?.focus(); // its button is there no more
  place.hidden = actions.length === 0;
}

function create() {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  return button;
}

async function press(button, action, faultPlace) {
  if (button.getAttribute("aria-busy") === "true") return; // a disabled button would lose the focus
  if (action.sure !== undefined && button.dataset.asking === undefined) {
    ask(button, action);
    return;
  }
  forget(button, action);
  button.setAttribute("aria-busy", "true");
  await attempt(faultPlace, action.run);
  button.setAttribute("aria-busy", "false");
}

function ask(button, action) {
  button.dataset.asking = "";
  setText(button, action.sure);
  button.onblur = () => forget(button, action);
  setTimeout(() => forget(button, action), ASKING_MS);
}

function forget(button, action) {
  delete button.dataset.asking;
  setText(button, action.words);
}
