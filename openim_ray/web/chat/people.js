// Who the users are: nicknames, as far as they are known.

const IDS_PER_CALL = 100;

export class People {
  #ask;
  #names = new Map(); // userID → nickname

  /** `ask(userIDs)` resolves to the answer of /user/get_users_info, which leaves out who does not exist. */
  constructor(ask) {
    this.#ask = ask;
  }

  nameOf(userID) {
    return this.#names.get(userID) || userID;
  }

  /** A name that came along with a message; what the directory says counts more. */
  hear(userID, nickname) {
    if (!this.#names.has(userID)) this.#names.set(userID, nickname);
  }

  async exists(userID) {
    await this.learn([userID]);
    return this.#names.has(userID);
  }

  /** Rejects with a Fault. */
  async learn(userIDs) {
    for (let at = 0; at < userIDs.length; at += IDS_PER_CALL) {
      const { usersInfo } = await this.#ask(userIDs.slice(at, at + IDS_PER_CALL));
      for (const { userID, nickname } of usersInfo ?? []) this.#names.set(userID, nickname);
    }
  }
}
