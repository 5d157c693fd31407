import { bucket, definePipeline, kinesis, max, mean, type Pane, rolling, sink } from 'millrace';

export interface Pulse {
  readonly user: string;
  readonly at: number;
  /** Beats a minute. */
  readonly bpm: number;
}

/** The last five pulses of each user, as each comes, also to whoever is given them by `tell`. */
export const pulsesTo = (tell: (panes: readonly Pane[]) => void | Promise<void>) =>
  definePipeline('pulses', kinesis<Pulse>(), {
    key: 'user',
    eventTime: 'at',
    windows: { lastFive: rolling({ count: 5 }, { mean: mean('bpm'), max: max('bpm') }) },
  }).to(bucket(), sink({ name: 'watchers', from: 'beginning', deliver: tell }));
