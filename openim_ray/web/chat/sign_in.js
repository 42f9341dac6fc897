// The sign-in form.

import { part, setText } from "./dom.js";
import { showFault } from "./fault_view.js";
import { Fault } from "./faults.js";

export class SignIn {
  #root = document.getElementById("sign-in");
  #form = part(this.#root, "form");

  /** `onLogin({userID, token})` is called when the form is sent. */
  constructor(onLogin) {
    this.#form.onsubmit = (event) => {
      event.preventDefault();
      const login = { userID: this.#form.userID.value.trim(), token: this.#form.token.value.trim() };
      if (login.userID && login.token) onLogin(login);
      else showFault(part(this.#form, "fault"), new Fault("EMPTY"));
    };
  }

  show(userID, fault) {
    this.#root.hidden = false;
    this.#setBusy(false);
    this.#form.userID.value = userID;
    this.#form.token.value = "";
    showFault(part(this.#form, "fault"), fault);
    (userID ? this.#form.token : this.#form.userID).focus();
  }

  /** The form stays, but can't be sent again, until it is known whether the login is good. */
  wait() {
    this.#setBusy(true);
    showFault(part(this.#form, "fault"), null);
  }

  hide() {
    this.#root.hidden = true;
    this.#form.reset();
  }

  #setBusy(isBusy) {
    const button = part(this.#form, "submit");
    button.disabled = isBusy;
    setText(button, isBusy ? "Signing in …" : "Sign in");
  }
}
