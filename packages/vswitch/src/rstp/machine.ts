/**
 * State machines as data (IEEE 802.1D-2004, 17.16): what is done on entering a state, and the
 * conditions that lead out of it, which are looked at in their order.
 */
import type { Port } from './port.ts';

export type Condition = (port: Port) => boolean;
export type Exit<S extends string> = readonly [when: Condition, to: S];

export interface State<S extends string> {
  readonly enter?: (port: Port) => void;
  readonly exits: readonly Exit<S>[];
}

export interface Machine<S extends string> {
  readonly name: keyof Port['states'];
  /** Where it is at BEGIN. */
  readonly begin: (port: Port) => S;
  /** Out of whichever state. */
  readonly always: readonly Exit<S>[];
  readonly states: { readonly [K in S]: State<S> };
}

/** An unconditional transition. */
export const UCT: Condition = () => true;

/** All conditions at once. */
export function all(...conditions: readonly Condition[]): Condition {
  return (port) => conditions.every((holds) => holds(port));
}

/** A machine at work on one port; states are `port.states[name]`. */
export interface Runner {
  begin(port: Port): void;
  /** Makes one transition; whether there was one to make. */
  step(port: Port): boolean;
}

export function runner<S extends string>(machine: Machine<S>): Runner {
  const { name, states, always } = machine;
  // A state that is left by UCT is none to stay in.
  const enter = (port: Port, first: S) => {
    for (let state: S | undefined = first; state !== undefined; ) {
      port.states[name] = state;
      const { enter, exits }: State<S> = states[state];
      enter?.(port);
      state = exits.find(([when]) => when === UCT)?.[1];
    }
  };
  return {
    begin: (port) => enter(port, machine.begin(port)),
    step(port) {
      const { exits } = states[port.states[name] as S];
      const exit = always.find(([when]) => when(port)) ?? exits.find(([when]) => when(port));
      if (!exit) return false;
      enter(port, exit[1]);
      return true;
    },
  };
}
