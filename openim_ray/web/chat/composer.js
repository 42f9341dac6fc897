// The field to write in: grows with the text, keeps a draft per conversation, tells the other that one is writing.

import { part } from "./dom.js";
import { showFault } from "./fault_view.js";
import { asFault } from "./faults.js";

const HEIGHT_MAX_PX = 160;

export class Composer {
  #form;
  #chat = null;
  #conversation = null;

  constructor(form) {
    this.#form = form;
    form.onsubmit = (event) => {
      event.preventDefault();
      this.#send();
    };
    form.text.oninput = () => this.#changed();
    form.text.onkeydown = (event) => {
      // A key that ends an input method's composition is not the writer's Enter.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    };
  }

  enter(chat, conversation) {
    this.#chat = chat;
    this.#conversation = conversation;
    this.#form.text.value = conversation.draft;
    showFault(part(this.#form, "fault"), null);
    this.#grow();
    if (matchMedia("(hover: hover)").matches) this.#form.text.focus(); // elsewhere a keyboard would jump up
  }

  leave() {
    if (this.#conversation !== null) this.#conversation.draft = this.#form.text.value;
    this.#conversation = null;
  }

  #changed() {
    this.#grow();
    showFault(part(this.#form, "fault"), null);
    this.#chat.signalTyping(this.#conversation, this.#form.text.value !== "");
  }

  #send() {
    const text = this.#form.text.value.trim();
    if (text === "") return;
    try {
      this.#chat.send(this.#conversation, text);
      this.#form.text.value = "";
      this.#changed();
    } catch (error) {
      showFault(part(this.#form, "fault"), asFault(error));
    }
    this.#form.text.focus();
  }

  #grow() {
    const { text } = this.#form;
    text.style.height = "auto"; // else it would never shrink
    text.style.height = `${Math.min(text.scrollHeight, HEIGHT_MAX_PX)}px`;
  }
}
