import { Choice } from './dom.ts';

type Theme = 'auto' | 'light' | 'dark';

const KEPT = 'millrace-theme';
const OPTIONS = [
  { value: 'auto', text: 'Auto', title: 'As this machine is set' },
  { value: 'light', text: 'Light' },
  { value: 'dark', text: 'Dark' },
] as const;

/** Storage may be forbidden, as it is to some pages that are opened as files. */
function kept(): Theme {
  try {
    const theme = localStorage.getItem(KEPT);
    return OPTIONS.find(({ value }) => value === theme)?.value ?? 'auto';
  } catch {
    return 'auto';
  }
}

/** Light, dark, or as the machine is set. */
export function themeView(changed: () => void): HTMLElement {
  const apply = (theme: Theme): void => {
    if (theme === 'auto') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = theme;
    choice.show(OPTIONS, theme);
    changed();
  };
  const choice = new Choice<Theme>('Colours', (theme) => {
    try {
      localStorage.setItem(KEPT, theme);
    } catch {}
    apply(theme);
  });
  apply(kept());
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed);
  return choice.element;
}
