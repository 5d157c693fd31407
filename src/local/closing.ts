/**
 * Opens several things that are closed together: `open` calls `onClose` with what closes each, as soon as it is open.
 *
 * They are closed in reverse order when `open` fails, or when the caller closes what it returned. Each is closed even where closing
 * another fails, as whatever stays open may keep the process alive.
 *
 * @throws the error of `open`; its `close` throws the first error of closing, once all has been closed
 */
export async function openTogether<Opened extends object>(
  open: (onClose: (close: () => unknown) => void) => Promise<Opened>,
): Promise<Opened & { close(): Promise<void> }> {
  const closings: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    const errors: unknown[] = [];
    for (const closing of closings.splice(0).reverse()) {
      try {
        await closing();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  };
  try {
    return { ...(await open((closing) => closings.push(closing))), close };
  } catch (error) {
    // Why it could not be opened says more than why it could not be closed afterwards.
    await close().catch(() => undefined);
    throw error;
  }
}
