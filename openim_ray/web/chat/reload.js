// Loading a thing again, however often and from wherever it is asked for.

/** Runs `load` once at a time: whoever asks while it runs shares the one run that follows. */
export class Reload {
  #load;
  #running = null;
  #next = null;

  constructor(load) {
    this.#load = load;
  }

  /** Settles as a run does that began after this call. */
  run() {
    if (this.#running === null) return this.#start();
    this.#next ??= this.#running.catch(() => {}).then(() => this.#start());
    return this.#next;
  }

  #start() {
    this.#next = null;
    const settled = () => {
      this.#running = null;
    };
    this.#running = this.#load().finally(settled);
    return this.#running;
  }
}
