// The few things the views need to make and change elements. Text goes in as text, never as HTML.

/** A copy of the element in the page's <template id="…">. */
export function fromTemplate(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** The element in `root` with data-part="name". */
export function part(root, name) {
  return root.querySelector(`[data-part="${name}"]`);
}

/** Sets text only if it differs: a live region would read it out again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Makes the children of `parent` show `items`, in order. Elements are reused by key, so that focus, selection and
 * scroll position stay. `create(item)` makes an element, `update(element, item)` brings it up to date.
 */
export function showItems(parent, items, keyOf, create, update) {
  const focused = document.activeElement;
  const wanted = new Set(items.map(keyOf));
  for (const element of [...parent.children]) if (!wanted.has(element.dataset.key)) element.remove();
  const elements = new Map([...parent.children].map((element) => [element.dataset.key, element]));
  let next = parent.firstElementChild;
  for (const item of items) {
    const element = elements.get(keyOf(item)) ?? keyed(create(item), keyOf(item));
    update(element, item);
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
  }
  if (parent.contains(focused) && focused !== document.activeElement) focused.focus(); // moving it took the focus
}

/** Does `render()`. If that takes away what had the focus within `root`, then `root` has it: the next key shall not be lost. */
export function keepFocus(root, render) {
  const hadFocus = root.contains(document.activeElement);
  render();
  if (hadFocus && !root.contains(document.activeElement)) root.focus();
}

function keyed(element, key) {
  element.dataset.key = key;
  return element;
}

/** A round picture with the first letter of the name, in a colour that stays the same for the id. */
export function showAvatar(element, id, name) {
  const [first = "?"] = Array.from(name.trim());
  setText(element, first.toUpperCase());
  element.dataset.hue = String(hash(id) % 8);
}

function hash(text) {
  let value = 7;
  for (const character of text) value = (value * 31 + character.codePointAt(0)) % 65_521;
  return value;
}
