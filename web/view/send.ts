import { h, say } from './dom.ts';

/** A form that sends a record to the source of the run. */
export function sendView() {
  const text = h('textarea', {
    id: 'record',
    rows: '6',
    spellcheck: 'false',
    autocapitalize: 'off',
    placeholder: 'A record, as the pipeline reads them',
  });
  const answer = h('p', { class: 'answer', role: 'status' });
  const button = h('button', { type: 'submit', class: 'primary' }, 'Send');
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    button.disabled = true;
    const { taken, said } = await sent(text.value);
    button.disabled = false;
    say(answer, said);
    answer.classList.toggle('refused', !taken);
  };
  const form = h(
    'form',
    { submit: (event: Event) => void send(event) },
    h('label', { for: 'record' }, 'A record'),
    text,
    h('div', { class: 'bar' }, button, answer),
  );
  text.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  const open = async ({ target }: Event): Promise<void> => {
    if (!(target as HTMLDetailsElement).open || text.value !== '') return;
    const example = await fetch('live/example')
      .then((response) => (response.ok ? response.text() : ''))
      .catch(() => '');
    if (text.value === '') text.value = example;
  };
  return h(
    'details',
    { class: 'send', toggle: (event: Event) => void open(event) },
    h('summary', {}, 'Send a record'),
    form,
  );
}

/** Sends a record, and returns whether it was taken, and what to say of it. */
async function sent(record: string): Promise<{ readonly taken: boolean; readonly said: string }> {
  try {
    const response = await fetch('live/records', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ record }),
    });
    return { taken: response.ok, said: await response.text() };
  } catch {
    return { taken: false, said: 'Cannot send as the run must be up: it does not answer' };
  }
}
