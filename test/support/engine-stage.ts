import type { Ports } from '../../src/ports/index.ts';
import { behind, type Gate } from './engine-gate.ts';
import type { Random } from './engine-random.ts';

/** What can happen to a call, and to whoever makes it. */
const FAULTS = ['refused', 'answer lost', 'crash before', 'crash after'] as const;
export type Fault = (typeof FAULTS)[number];

/** How a task ended. One that crashed never runs on. */
export type Ending<Result> =
  | { readonly ended: 'answered'; readonly result: Result }
  | { readonly ended: 'threw'; readonly error: unknown }
  | { readonly ended: 'crashed' };

/** One invocation of a handler. */
export interface Actor {
  /** What happened to it so far. */
  readonly met: readonly Fault[];
  running: boolean;
  /** Stops it where it is. */
  crash(): void;
}

class InjectedFault extends Error {
  override readonly name = 'InjectedFault';
}

interface Turn {
  readonly actor: Actor;
  readonly speed: number;
  readonly resume: () => void;
}

/**
 * Runs tasks side by side and decides, call by call, who is next. A call waits for a turn before it is carried out and
 * for another before its answer arrives, so any two tasks meet in every order that a network allows.
 */
export class Stage {
  faultRate = 0;
  readonly injected: Record<Fault, number> = {
    refused: 0,
    'answer lost': 0,
    'crash before': 0,
    'crash after': 0,
  };
  readonly #random: Random;
  #waiting: Turn[] = [];
  #begun = false;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Begins a task; `ended` is called with its ending. */
  run<Result>(
    ports: Ports,
    task: (ports: Ports) => Promise<Result>,
    ended: (ending: Ending<Result>) => void,
  ): Actor {
    this.#begun = true;
    const met: Fault[] = [];
    const end = (ending: Ending<Result>): void => {
      if (!actor.running) return;
      actor.running = false;
      ended(ending);
    };
    const actor: Actor = { met, running: true, crash: () => end({ ended: 'crashed' }) };
    // Some are much slower than others, and now and then one stalls: those are the zombies.
    const speed = 10 ** (-2 * this.#random.next());
    const turn = () =>
      new Promise<void>((resume) => {
        const stalled = this.#random.chance(0.05) ? 0.002 : 1;
        this.#waiting.push({ actor, speed: speed * stalled, resume: () => resume() });
      });

    const gate: Gate = async (call, name, carryOut) => {
      await turn();
      const fault = this.#random.chance(this.faultRate) ? this.#random.pick(FAULTS) : undefined;
      if (fault) {
        met.push(fault);
        this.injected[fault]++;
      }
      if (fault === 'crash before') return crashed(actor);
      if (fault === 'refused') throw new InjectedFault(`${call} of ${name} was refused`);
      const answer = await carryOut();
      if (fault === 'crash after') return crashed(actor);
      await turn();
      if (fault === 'answer lost') throw new InjectedFault(`the answer to ${call} of ${name} was lost`);
      return answer;
    };

    task(behind(gate, ports)).then(
      (result) => end({ ended: 'answered', result }),
      (error) => end({ ended: 'threw', error }),
    );
    return actor;
  }

  /** Lets one call go on, and whatever follows from it until the next call; false when none waits. */
  async step(): Promise<boolean> {
    if (this.#begun) await settled();
    this.#begun = false;
    this.#waiting = this.#waiting.filter(({ actor }) => actor.running);
    const next = this.#draw();
    if (next === undefined) return false;
    this.#waiting.splice(this.#waiting.indexOf(next), 1);
    next.resume();
    await settled();
    return true;
  }

  #draw(): Turn | undefined {
    let left = this.#random.next() * this.#waiting.reduce((total, { speed }) => total + speed, 0);
    for (const turn of this.#waiting) {
      left -= turn.speed;
      if (left < 0) return turn;
    }
    return this.#waiting.at(-1);
  }
}

/** A call of one that is no more: it neither returns nor throws. */
function crashed(actor: Actor): Promise<never> {
  actor.crash();
  return new Promise(() => {});
}

/** Settles when every promise that can settle has. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
