import { type Duration, type Millis, millis } from '../core/time.ts';
import type { Aggregates, PaneKind, Results, WindowOperator } from '../core/window.ts';
import { rollingOperator } from '../core/windows/rolling.ts';
import { slidingOperator } from '../core/windows/sliding.ts';

/** What the panes of one window are. */
export interface PaneShape {
  readonly kind: PaneKind;
  readonly results: unknown;
}

/** A window as a definition holds it: a recipe for its operator, and the shape of its panes. */
export interface Window<in Rec, out Shape extends PaneShape = PaneShape> {
  operator(rules: { readonly allowedLateness: Millis }): WindowOperator<Rec>;
  /** Never present, there for inference. */
  readonly shape?: Shape;
}

interface RollingShape<Of> extends PaneShape {
  readonly kind: 'rolling';
  readonly results: Of;
}

interface TimeShape<Of> extends PaneShape {
  readonly kind: 'final' | 'late';
  readonly results: Of;
}

/**
 * The key's last `count` records, in source order; a pane after every record.
 *
 * @throws RangeError when count is not a whole number from 1 to 10,000
 */
export function rolling<Rec, Of extends Results>(
  { count }: { readonly count: number },
  aggregates: Aggregates<Rec, Of>,
): Window<Rec, RollingShape<Of>> {
  if (!Number.isInteger(count) || count < 1 || count > 10_000) {
    throw new RangeError(
      `Cannot roll over ${count} records as count must be a whole number from 1 to 10,000`,
    );
  }
  return { operator: () => rollingOperator(count, aggregates) };
}

/**
 * `[k·size, (k+1)·size)` by event time, shifted by `offset`; a pane when the watermark reaches the end.
 *
 * @throws RangeError when size is not positive, or offset not below it
 */
export function tumbling<Rec, Of extends Results>(
  { size, offset = '0s' }: { readonly size: Duration; readonly offset?: Duration },
  aggregates: Aggregates<Rec, Of>,
): Window<Rec, TimeShape<Of>> {
  return sliding({ size, slide: size, offset }, aggregates);
}

/**
 * `[k·slide, k·slide + size)` by event time, shifted by `offset`; a pane when the watermark reaches the end.
 *
 * @throws RangeError when slide is not positive or larger than size, size is over 2,000 slides, or offset is not
 * below slide
 */
export function sliding<Rec, Of extends Results>(
  {
    size,
    slide,
    offset = '0s',
  }: { readonly size: Duration; readonly slide: Duration; readonly offset?: Duration },
  aggregates: Aggregates<Rec, Of>,
): Window<Rec, TimeShape<Of>> {
  const settings = { size: millis(size), slide: millis(slide), offset: millis(offset) };
  if (settings.slide <= 0) throw new RangeError(`Cannot slide by "${slide}" as slide must be > 0`);
  if (settings.slide > settings.size) {
    throw new RangeError(`Cannot slide by "${slide}" as slide must be <= size: size is "${size}"`);
  }
  if (settings.size > 2_000 * settings.slide) {
    throw new RangeError(`Cannot slide by "${slide}" as size must be <= 2,000 slides: size is "${size}"`);
  }
  if (settings.offset >= settings.slide) {
    throw new RangeError(`Cannot offset by "${offset}" as offset must be < slide: slide is "${slide}"`);
  }
  return { operator: ({ allowedLateness }) => slidingOperator({ ...settings, allowedLateness }, aggregates) };
}
