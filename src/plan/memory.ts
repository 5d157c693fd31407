import type { Pipeline } from '../pipeline/pipeline.ts';
import { LIMITS } from '../ports/limits.ts';
import { CACHE_SHARE, DEFAULT_MEMORY, HEAP_SHARE } from '../wiring/memory.ts';

/** The least memory of each function of a pipeline, in MB as Lambda counts them. */
export interface MemoryFloor {
  readonly handler: number;
  readonly sweeper: number;
  /** Undefined for a pipeline without sinks, which has no projector. */
  readonly projector: number | undefined;
}

const MIB = 1_048_576;

/** What code, clients and their buffers take of the heap, whatever a function does. */
const CODE = 60 * MIB;

/**
 * What an event takes up at most: Lambda passes 6 MB of JSON, which are in memory as text, as the objects that are
 * parsed of it, as the bytes of each record, and as what is decoded of them.
 */
const EVENT = 8 * 6 * MIB;

/** A step of a projector is held in memory both as it is and as it is written. */
const FORMS = 2;

/** Functions are given memory in steps of so many MB. */
const STEP = 64;

/**
 * Returns the least memory with which each function of a pipeline holds what the bounds of the engine allow it to
 * hold at once, however many keys the records have. The handler holds an event, the groups that it caches, which are a
 * share of its memory, and those that it works on. The sweeper holds the same without the event. The projector holds a step of each sink.
 *
 * What a group of more than `LIMITS.held` bytes takes is not in it, as no definition says how large groups become.
 */
export function memoryFloor({ sinks }: Pick<Pipeline, 'sinks'>): MemoryFloor {
  return {
    handler: memoryFor(CODE + EVENT + LIMITS.held, CACHE_SHARE.handler),
    sweeper: memoryFor(CODE + LIMITS.held, CACHE_SHARE.sweeper),
    projector: sinks.length === 0 ? undefined : memoryFor(CODE + sinks.length * FORMS * LIMITS.step),
  };
}

const memoryFor = (heap: number, cached = 0): number =>
  STEP * Math.ceil(heap / ((HEAP_SHARE - cached) * MIB * STEP));

type Sized = keyof typeof DEFAULT_MEMORY;

/** Returns the least memory of one function, in MB; 0 where no bound of the engine says any. */
export const leastMemory = (pipeline: Pick<Pipeline, 'sinks'>, of: Sized): number =>
  ({ query: 0, check: 0, ...memoryFloor(pipeline) })[of] ?? 0;

/** Returns the memory of one function where nobody says another, in MB. */
export const defaultMemory = (pipeline: Pick<Pipeline, 'sinks'>, of: Sized): number =>
  Math.max(DEFAULT_MEMORY[of], leastMemory(pipeline, of));
