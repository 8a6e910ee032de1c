/** Port State Transition (IEEE 802.1D-2004, 17.30). */
import type { Machine } from '../machine.ts';
import type { Port } from '../port.ts';

function become(learning: boolean, forwarding: boolean) {
  return (port: Port) => {
    port.learning = learning;
    port.forwarding = forwarding;
  };
}

export const stateTransition: Machine<'DISCARDING' | 'LEARNING' | 'FORWARDING'> = {
  name: 'state',
  begin: () => 'DISCARDING',
  always: [],
  states: {
    DISCARDING: { enter: become(false, false), exits: [[(p) => p.learn, 'LEARNING']] },
    LEARNING: {
      enter: become(true, false),
      exits: [
        [(p) => !p.learn, 'DISCARDING'],
        [(p) => p.forward, 'FORWARDING'],
      ],
    },
    FORWARDING: { enter: become(true, true), exits: [[(p) => !p.forward, 'DISCARDING']] },
  },
};
