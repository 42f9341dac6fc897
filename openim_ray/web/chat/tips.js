// Content as JSON, and the tips of notifications in it. Content comes from other people: anything may be in it.

/** The object in JSON text or bytes; an empty one if there is none. */
export function parse(json) {
  try {
    const value = JSON.parse(typeof json === "string" ? json : new TextDecoder().decode(json));
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

/** What a notification tells: its content is JSON in JSON (OpenIM wire, §5.1). */
export function tips(message) {
  return parse(parse(message.content).detail);
}
