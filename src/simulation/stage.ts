import { AsyncLocalStorage } from 'node:async_hooks';
import { nextTick } from 'node:process';
import { type MemoryTelemetry, memoryTelemetry } from '../adapters/memory/telemetry.ts';
import type { Fault } from './faults.ts';
import type { Call, Gate } from './gate.ts';
import type { Random } from './random.ts';

/** How an invocation ended, as far as its caller can tell. */
export type Ending<Result> =
  | { readonly ended: 'answered'; readonly result: Result }
  | { readonly ended: 'threw'; readonly error: unknown }
  | { readonly ended: 'crashed' }
  | { readonly ended: 'timed out' };

/** One invocation of a handler. */
export interface Invocation {
  readonly name: string;
  /** How many calls all invocations had made before it began. */
  readonly from: number;
  /** How many of its calls were of each kind. The creation of objects is counted by their folder. */
  readonly calls: Map<string, number>;
  /** The faults that its calls met so far. */
  readonly met: Fault[];
  readonly telemetry: MemoryTelemetry;
  /** Whether it does nothing any more, and nothing that it asked for is still under way. */
  readonly over: boolean;
  /** Lets its caller give up on it. The invocation need not notice, and may run on. */
  timeOut(): void;
  /** Ends the invocation, together with its environment. */
  crash(): void;
}

/**
 * An execution environment. What it holds in memory lives as long as it does, whichever of its invocations
 * put it there.
 */
export interface Environment {
  readonly name: string;
  readonly speed: number;
  /** The invocations that have not ended, as far as their callers can tell. */
  readonly running: Set<Invocation>;
  /** How many invocations it has received. */
  invocations: number;
  /** A dead environment makes no further call. */
  alive: boolean;
  /** Whether it receives no other invocation. */
  retired: boolean;
  /** How many calls all invocations had made when one of its own failed last. */
  failedAt: number;
  /** Whether one of its invocations threw. */
  threw: boolean;
}

class InjectedFault extends Error {
  override readonly name = 'InjectedFault';
  /** How many calls had been made when it was thrown. */
  readonly thrownAt: number;

  constructor(message: string, thrownAt: number) {
    super(message);
    this.thrownAt = thrownAt;
  }
}

/**
 * Returns when the fault behind an error was injected, counted in calls, however the error was wrapped;
 * undefined where no fault was injected.
 */
export function injectedAt(error: unknown): number | undefined {
  if (error instanceof InjectedFault) return error.thrownAt;
  return error instanceof Error ? injectedAt(error.cause) : undefined;
}

/** Observes a stage. */
export interface Onlooker {
  /** Is called when a call has been carried out. */
  landed(invocation: Invocation, call: Call, name: string, answer: unknown): void;
  /** Is called with each step of a trace. */
  saw?(line: string): void;
}

/** The invocation whose code runs. What an invocation leaves undone as it ends remains its own. */
const RUNNING = new AsyncLocalStorage<Invocation>();

interface Turn {
  /** Undefined for a call that is on its way through the network. */
  readonly environment: Environment | undefined;
  readonly speed: number;
  /** The turn does not come before this step, unless no other turn is left. */
  readonly from: number;
  readonly resume: () => void;
}

/** Some environments are much slower than others. */
const SPEEDS = [1, 1, 0.6, 0.3, 0.1, 0.03, 0.01];

/** By how much a call slows down that stalls, now and then. */
const STALLED = 0.002;

/**
 * Runs environments side by side on one thread, and decides call by call which is next. A call waits for a
 * turn before it is carried out and for another before its answer arrives, so that any two calls meet in
 * every order that a network allows.
 */
export class Stage {
  /** Whether faults happen. */
  faulty = true;
  /** Says which calls a store refuses for the time being, whether or not faults happen. */
  refuses: (call: Call, name: string) => boolean = () => false;
  /** The faults that happened, in order. */
  readonly applied: Fault[] = [];
  /** The steps at which a fault could have happened. */
  readonly exposed: number[] = [];
  readonly #random: Random;
  readonly #faults: ReadonlyMap<number, Fault>;
  readonly #onlooker: Onlooker;
  #turns: Turn[] = [];
  /** How many calls an invocation has made of which it has no answer: it may return before they are carried out. */
  readonly #waiting = new Map<Invocation, number>();
  /** How many calls of an invocation land without it. */
  readonly #underWay = new Map<Invocation, number>();
  #steps = 0;
  #begun = false;
  #environments = 0;

  constructor(random: Random, faults: readonly Fault[], onlooker: Onlooker) {
    this.#random = random;
    this.#faults = new Map(faults.map((fault) => [fault.step, fault]));
    this.#onlooker = onlooker;
  }

  /** How many calls were made so far. */
  get steps(): number {
    return this.#steps;
  }

  environment(role: string): Environment {
    return {
      name: `${role} ${this.#environments++}`,
      speed: this.#random.pick(SPEEDS),
      running: new Set(),
      invocations: 0,
      alive: true,
      retired: false,
      failedAt: Number.NEGATIVE_INFINITY,
      threw: false,
    };
  }

  /** Begins an invocation. It calls `ended` once, with the invocation's ending. */
  invoke<Result>(
    environment: Environment,
    task: () => Promise<Result>,
    ended: (ending: Ending<Result>) => void,
  ): Invocation {
    const end = (ending: Ending<Result>): void => {
      if (!environment.running.delete(invocation)) return;
      // An invocation that takes too long ends its environment. An environment whose invocation threw
      // receives the next one.
      if (ending.ended === 'timed out') environment.retired = true;
      if (ending.ended === 'threw') environment.threw = true;
      ended(ending);
    };
    let returned = false;
    const stage = this;
    const invocation: Invocation = {
      name: `${environment.name}.${++environment.invocations}`,
      from: this.#steps,
      calls: new Map(),
      met: [],
      telemetry: memoryTelemetry(),
      get over() {
        const isAtWork = environment.alive && (!returned || (stage.#waiting.get(invocation) ?? 0) > 0);
        return !isAtWork && !stage.#underWay.get(invocation);
      },
      timeOut: () => end({ ended: 'timed out' }),
      crash: () => end({ ended: 'crashed' }),
    };
    environment.running.add(invocation);
    this.#begun = true;
    RUNNING.run(invocation, task).then(
      (result) => {
        returned = true;
        end({ ended: 'answered', result });
      },
      (error) => {
        returned = true;
        end({ ended: 'threw', error });
      },
    );
    return invocation;
  }

  /** The invocation whose code asks. */
  get running(): Invocation {
    const invocation = RUNNING.getStore();
    if (invocation === undefined) throw new Error('Only invocations make calls');
    return invocation;
  }

  /** Returns the gate through which an environment's calls go. */
  gateOf(environment: Environment): Gate {
    const gate: Gate = async (call, name, carryOut) => {
      const invocation = this.running;
      const step = this.#steps++;
      const kind = call === 'objects.create' ? `${call} ${name.slice(0, name.indexOf('/') + 1)}` : call;
      invocation.calls.set(kind, (invocation.calls.get(kind) ?? 0) + 1);
      const land = async () => {
        const answer = await carryOut();
        this.#onlooker.landed(invocation, call, name, answer);
        return answer;
      };
      await this.#turn(environment);
      const fault = this.#faultOf(step, call, name);
      this.#onlooker.saw?.(`${step} ${invocation.name} ${call} ${name}${fault ? ` (${fault.kind})` : ''}`);
      if (fault === undefined) return this.#answered(environment, await land());
      invocation.met.push(fault);
      switch (fault.kind) {
        case 'refused':
          throw this.#injected(environment, `${call} of ${name} was refused`);
        case 'answer lost':
          await land();
          await this.#turn(environment);
          throw this.#injected(environment, `the answer to ${call} of ${name} was lost`);
        case 'crash before':
          return this.#crashed(environment);
        case 'crash after':
          await land();
          return this.#crashed(environment);
        case 'lands late':
          this.#later(invocation, step + fault.delay, `${step} lands`, land);
          throw this.#injected(environment, `${call} of ${name} timed out`);
        case 'zombie':
          invocation.timeOut();
          await this.#turn(environment, step + fault.delay);
          return this.#answered(environment, await land());
        case 'sent twice':
          await land();
          return this.#answered(environment, await land());
        case 'echo':
          this.#later(invocation, step + fault.delay, `${step} lands again`, land);
          return this.#answered(environment, await land());
        case 'slow answer': {
          const answer = await land();
          await this.#turn(environment, step + fault.delay);
          return answer;
        }
      }
    };
    return async (call, name, carryOut) => {
      const invocation = this.running;
      add(this.#waiting, invocation, 1);
      try {
        return await gate(call, name, carryOut);
      } finally {
        add(this.#waiting, invocation, -1);
      }
    };
  }

  /**
   * Lets one call go on, with everything that follows from it until the next call. It returns false when no
   * call waits.
   */
  async step(): Promise<boolean> {
    if (this.#begun) await settled();
    this.#begun = false;
    const next = this.#draw();
    if (next === undefined) return false;
    next.resume();
    await settled();
    return true;
  }

  #injected(environment: Environment, message: string): InjectedFault {
    environment.failedAt = this.#steps;
    return new InjectedFault(message, this.#steps);
  }

  #faultOf(step: number, call: Call, name: string): Fault | undefined {
    if (this.refuses(call, name)) return { step, kind: 'refused', delay: 0 };
    if (!this.faulty) return undefined;
    this.exposed.push(step);
    const fault = this.#faults.get(step);
    if (fault === undefined || (fault.store && !call.startsWith(`${fault.store}.`))) return undefined;
    this.applied.push(fault);
    return fault;
  }

  #turn(environment: Environment, from = 0): Promise<void> {
    return new Promise((resume) => {
      const speed = environment.speed * (this.#random.chance(0.03) ? STALLED : 1);
      this.#turns.push({ environment, speed, from, resume });
    });
  }

  async #answered<Answer>(environment: Environment, answer: Answer): Promise<Answer> {
    await this.#turn(environment);
    return answer;
  }

  /** Is the call of an environment that is no more: it neither returns nor throws. */
  #crashed(environment: Environment): Promise<never> {
    environment.alive = false;
    for (const invocation of environment.running) invocation.crash();
    return new Promise(() => {});
  }

  #later(invocation: Invocation, from: number, line: string, land: () => Promise<unknown>): void {
    const count = (by: number) => add(this.#underWay, invocation, by);
    count(1);
    const resume = () => {
      this.#onlooker.saw?.(line);
      // Nobody receives this answer.
      land()
        .catch(() => {})
        .finally(() => count(-1));
    };
    this.#turns.push({ environment: undefined, speed: 1, from, resume });
  }

  #draw(): Turn | undefined {
    this.#turns = this.#turns.filter(({ environment }) => environment?.alive ?? true);
    let total = 0;
    let soonest: Turn | undefined;
    for (const turn of this.#turns) {
      if (turn.from <= this.#steps) total += turn.speed;
      if (soonest === undefined || turn.from < soonest.from) soonest = turn;
    }
    let left = this.#random.next() * total;
    const drawn =
      this.#turns.find((turn) => {
        if (turn.from > this.#steps) return false;
        left -= turn.speed;
        return left < 0;
      }) ?? soonest;
    if (drawn) this.#turns.splice(this.#turns.indexOf(drawn), 1);
    return drawn;
  }
}

/**
 * Settles when every promise that can settle has. A promise's reaction puts this off to the next tick, which
 * runs once no reaction is left, without a turn of the event loop.
 */
const settled = (): Promise<void> => new Promise((resolve) => nextTick(resolve));

const add = (counts: Map<Invocation, number>, invocation: Invocation, by: number): void =>
  void counts.set(invocation, (counts.get(invocation) ?? 0) + by);
