/**
 * The score of the Numenta Anomaly Benchmark: Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms – the
 * Numenta Anomaly Benchmark", ICMLA 2015, section II.D. What is early within a labelled window earns almost 1, what is
 * at its end almost nothing; what is outside costs the more, the longer after a window it comes.
 *
 * Written from the paper, and from what NAB's pages say of its scorer: weights of the profile `standard`, and a beginning
 * that does not count.
 */

/** A series by the places of its points, from 0. */
export interface Labelled {
  readonly length: number;
  /** First and last place of each window, in order. */
  readonly windows: readonly (readonly [first: number, last: number])[];
  /** The places that were detected, in order. */
  readonly detected: readonly number[];
}

const FALSE_POSITIVE = 0.11;
const MISSED = 1;

/** The share of a series at its beginning in which a detector may learn: at most of 5,000 points. */
const PROBATION = 0.15;

/** σ(y), where y is the place of a detection: −1 at the beginning of a window, 0 just after its end. */
const sigma = (y: number): number => (y > 3 ? -1 : 2 / (1 + Math.exp(5 * y)) - 1);

/** Scores a series: 1 for each window that is found at once, −1 for each that is missed, and a fine for each false alarm. */
export function rawScore({ length, windows, detected }: Labelled): number {
  const learning = Math.floor(PROBATION * Math.min(length, 5_000));
  const counted = detected.filter((at) => at >= learning);
  const found = windows.map(([first, last]) => {
    const earliest = counted.find((at) => at >= first && at <= last);
    return earliest === undefined ? -MISSED : sigma((earliest - last - 1) / (last - first + 1)) / sigma(-1);
  });
  const alarms = counted.filter((at) => !windows.some(([first, last]) => at >= first && at <= last));
  const fines = alarms.map((at) => {
    const before = windows.findLast(([, last]) => last < at);
    return FALSE_POSITIVE * (before ? sigma((at - before[1]) / (before[1] - before[0])) : -1);
  });
  return [...found, ...fines].reduce((sum, points) => sum + points, 0);
}

/** Scores a corpus: 100 for whoever finds each window at once and nothing else, 0 for whoever detects nothing. */
export function nabScore(corpus: readonly Labelled[]): number {
  const windows = corpus.reduce((sum, series) => sum + series.windows.length, 0);
  const raw = corpus.reduce((sum, series) => sum + rawScore(series), 0);
  return (100 * (raw + windows * MISSED)) / (windows + windows * MISSED);
}
