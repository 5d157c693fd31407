import { LoggableError } from '../../core/loggable.ts';
import type { CustomSink, NotifySink, PushSink, StreamSink } from '../../pipeline/message-sinks.ts';
import type { Pane } from '../../pipeline/pipeline.ts';
import type { EnginePorts } from '../../ports/index.ts';
import { type Message, messageBytes, type Outlet } from '../../ports/outlet.ts';

/** A pane that a sink sends; `message` is undefined for a function of the author's, which takes the pane. */
export interface Outgoing {
  readonly pane: Pane;
  readonly message: Message | undefined;
}

type AnySink = NotifySink | StreamSink | PushSink | CustomSink;

/**
 * Returns what makes messages of panes for a sink. Of a pane that the sink does not take, that is too large
 * for its outlet, or for which a function of the author throws, nothing is sent: the latter two are counted,
 * each pane once, and reported, once for each window.
 */
export function messageMaker(
  { telemetry }: Pick<EnginePorts, 'telemetry'>,
  sink: AnySink,
  outlet: Pick<Outlet, 'maxBytes'> | undefined,
): (pane: Pane) => Outgoing | undefined {
  const counted = new Set<string>();
  const told = new Set<string>();
  const leaveOut = (metric: 'tooLarge' | 'unmade', { id, window }: Pane, why: string, cause?: unknown) => {
    if (counted.has(id)) return;
    counted.add(id);
    telemetry.count(metric, 1);
    if (told.has(`${metric} ${window}`)) return;
    told.add(`${metric} ${window}`);
    const message = `Cannot send a pane of window "${window}" to the sink "${sink.name}" as ${why}: it is left out`;
    telemetry.fault('make a message', new LoggableError(message, { cause }));
  };
  return (pane) => {
    if (sink.windows && !sink.windows.includes(pane.window)) return undefined;
    let body = '';
    try {
      if (sink.when && !sink.when(pane)) return undefined;
      if (outlet === undefined) return { pane, message: undefined };
      body = bodyOf('message' in sink && sink.message ? sink.message(pane) : pane);
    } catch (cause) {
      leaveOut('unmade', pane, `its functions must not throw, and must return what JSON can hold`, cause);
      return undefined;
    }
    const { id, key, pipeline, window, kind, revision } = pane;
    const message = {
      id,
      key,
      body,
      attributes: { pipeline, window, kind, revision: String(revision) },
    };
    const bytes = messageBytes(message);
    if (bytes <= outlet.maxBytes) return { pane, message };
    leaveOut('tooLarge', pane, `a message must have at most ${outlet.maxBytes} bytes, and it has ${bytes}`);
    return undefined;
  };
}

/** @throws TypeError when JSON cannot hold the value */
function bodyOf(value: unknown): string {
  const body = JSON.stringify(value);
  if (typeof body === 'string') return body;
  throw new TypeError(`Cannot write a message as JSON cannot hold it: it is ${typeof value}`);
}
