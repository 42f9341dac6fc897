/** Set the clock of the JavaScript world this runs in off by `milliseconds`. Needs nothing from outside: pages run its source. */
export function shiftClock(milliseconds) {
  const RealDate = Date;
  globalThis.Date = class extends RealDate {
    constructor(...parts) {
      super(...(parts.length ? parts : [RealDate.now() + milliseconds]));
    }

    static now() {
      return RealDate.now() + milliseconds;
    }
  };
}
