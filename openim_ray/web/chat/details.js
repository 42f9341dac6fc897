// The panel beside the open conversation: about the other person, or about the group.

import { SessionType } from "./conversation.js";
import { keepFocus, part, setText } from "./dom.js";
import { GroupPanel } from "./group_panel.js";
import { PersonPanel } from "./person_panel.js";

export class Details {
  #root = part(document, "details");
  #button = part(document, "show-details");
  #panels;
  #chat = null;

  /** `open(conversation)` opens another conversation. */
  constructor(open) {
    const write = async (userID) => open(await this.#chat.startWith(userID));
    this.#panels = new Map([
      [SessionType.SINGLE, new PersonPanel(part(this.#root, "person-panel"))],
      [SessionType.GROUP, new GroupPanel(part(this.#root, "group-panel"), write)],
    ]);
    this.#button.onclick = () => (this.#root.hidden ? this.#open() : this.close());
    part(this.#root, "close-details").onclick = () => this.close();
    this.#root.onkeydown = (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      event.stopPropagation(); // it closes this, not the conversation
      this.close();
    };
  }

  show(chat) {
    this.#chat = chat;
    this.#hide();
  }

  close() {
    const hadFocus = this.#root.contains(document.activeElement);
    this.#hide();
    if (hadFocus) this.#button.focus();
  }

  render() {
    const conversation = this.#chat.current;
    const panel = this.#panels.get(conversation?.sessionType);
    this.#button.hidden = panel === undefined;
    if (panel === undefined) this.#hide();
    if (this.#root.hidden) return;
    setText(part(this.#root, "details-title"), conversation.sessionType === SessionType.GROUP ? "Group" : "Person");
    keepFocus(this.#root, () => panel.render(this.#chat, conversation));
  }

  #open() {
    const { sessionType } = this.#chat.current;
    for (const [type, panel] of this.#panels) panel.root.hidden = type !== sessionType;
    this.#panels.get(sessionType).reset(this.#chat);
    this.#root.hidden = false;
    this.#button.setAttribute("aria-expanded", "true");
    this.render();
    part(this.#root, "close-details").focus();
  }

  #hide() {
    this.#root.hidden = true;
    this.#button.setAttribute("aria-expanded", "false");
  }
}
