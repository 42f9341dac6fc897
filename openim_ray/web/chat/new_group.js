// The form for a new group: a name, and whom to begin with.

import { onSubmit } from "./actions.js";
import { part } from "./dom.js";
import { showFault } from "./fault_view.js";
import { Fault } from "./faults.js";
import { friendChoices, PeoplePicker } from "./people_picker.js";

export class NewGroup {
  #form;
  #picker = null;
  #chat = null;

  /** `opened(conversation)` is called when the group is made. */
  constructor(form, opened) {
    this.#form = form;
    onSubmit(form, async () => {
      const chat = this.#chat;
      const conversation = await this.#make(chat);
      if (chat === this.#chat) opened(conversation);
    });
  }

  /** An empty form. */
  reset(chat) {
    this.#chat = chat;
    this.#form.reset();
    this.#picker = new PeoplePicker(part(this.#form, "picker"));
    showFault(part(this.#form, "fault"), null);
  }

  render() {
    this.#picker?.offer(friendChoices(this.#chat));
  }

  #make(chat) {
    const [name, userIDs] = [this.#form.groupName.value.trim(), this.#picker.userIDs];
    if (name === "") throw new Fault("NO_NAME");
    if (userIDs.length === 0) throw new Fault("NOBODY");
    return chat.startGroup(name, userIDs.filter((userID) => userID !== chat.userID));
  }
}
