/** Bridge Detection (IEEE 802.1D-2004, 17.25): whether there is but a host behind the port. */
import type { Machine } from '../machine.ts';
import type { Port } from '../port.ts';

const isSilent = (port: Port) =>
  port.timers.edgeDelayWhile === 0 && port.settings.autoEdge && port.sendRSTP && port.proposing;

export const bridgeDetection: Machine<'EDGE' | 'NOT_EDGE'> = {
  name: 'detection',
  begin: (port) => (port.settings.adminEdge ? 'EDGE' : 'NOT_EDGE'),
  always: [],
  states: {
    EDGE: {
      enter: (port) => {
        port.operEdge = true;
      },
      exits: [[(p) => (!p.enabled && !p.settings.adminEdge) || !p.operEdge, 'NOT_EDGE']],
    },
    NOT_EDGE: {
      enter: (port) => {
        port.operEdge = false;
      },
      exits: [[(p) => (!p.enabled && p.settings.adminEdge) || isSilent(p), 'EDGE']],
    },
  },
};
