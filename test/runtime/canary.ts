/** It stands in what records say and in what they are known by, and in what is thrown about them. No log may show it. */
export const CANARY = 'Canary7f3aQx91';

/** The forms in which a text may stand in a log, in small letters. */
function formsOf(text: string): readonly string[] {
  const bytes = Buffer.from(text);
  // The first and the last digits hold bits of what is around the text.
  const inBase64 = [0, 1, 2].map((before) =>
    Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .replace(/=+$/, '')
      .slice(before === 0 ? 0 : before + 1, -1),
  );
  const hex = bytes.toString('hex');
  const spaced = hex.replaceAll(/(..)(?!$)/g, '$1 ');
  return [text, ...inBase64, hex, spaced, bytes.join(','), bytes.join(', ')].map((form) =>
    form.toLowerCase(),
  );
}

const FORMS = formsOf(CANARY);

/** Returns the lines in which the canary stands, in whatever form. */
export const linesThatShowIt = (written: string): readonly string[] =>
  written.split(/[\r\n]/).filter((line) => FORMS.some((form) => line.toLowerCase().includes(form)));
