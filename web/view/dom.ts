type Attributes = Readonly<Record<string, string | boolean | ((event: never) => void)>>;

/** Makes an element: attributes by their names, listeners by those of their events. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  give(element, attributes);
  element.append(...children);
  return element;
}

/** Makes an element of SVG. */
export function svg<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): SVGElementTagNameMap[Tag] {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  give(element, attributes);
  element.append(...children);
  return element;
}

function give(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value as EventListener);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false) element.setAttribute(name, value);
  }
}

/** Sets a text unless it is there already, as setting it would lay the page out anew. */
export function say(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function mark(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export const find = <Found extends Element = HTMLElement>(selector: string): Found => {
  const found = document.querySelector<Found>(selector);
  if (found === null) throw new Error(`Cannot find ${selector} as the page must have it`);
  return found;
};

/** A row of buttons of which one is pressed. Arrow keys go from one to the next. */
export class Choice<Value extends string | number> {
  readonly element: HTMLElement;
  readonly #pick: (value: Value) => void;
  #options: readonly { readonly value: Value; readonly text: string; readonly title?: string }[] = [];

  constructor(label: string, pick: (value: Value) => void) {
    this.#pick = pick;
    this.element = h('div', {
      class: 'choice',
      role: 'radiogroup',
      'aria-label': label,
      keydown: this.#move,
    });
  }

  show(
    options: readonly { readonly value: Value; readonly text: string; readonly title?: string }[],
    chosen: Value,
  ): void {
    if (JSON.stringify(options) !== JSON.stringify(this.#options)) {
      this.#options = options;
      this.element.replaceChildren(
        ...options.map(({ value, text, title = '' }) =>
          h('button', { type: 'button', role: 'radio', title, click: () => this.#pick(value) }, text),
        ),
      );
    }
    for (const [at, button] of [...this.element.children].entries()) {
      const isChosen = options[at]?.value === chosen;
      mark(button, 'aria-checked', String(isChosen));
      mark(button, 'tabindex', isChosen ? '0' : '-1');
    }
  }

  #move = (event: KeyboardEvent): void => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const at = [...this.element.children].indexOf(document.activeElement as Element);
    const next = by && this.#options[(at + by + this.#options.length) % this.#options.length];
    if (!next) return;
    event.preventDefault();
    this.#pick(next.value);
    (this.element.children[this.#options.indexOf(next)] as HTMLElement).focus();
  };
}
