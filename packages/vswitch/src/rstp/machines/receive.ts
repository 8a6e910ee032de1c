/** Port Receive (IEEE 802.1D-2004, 17.23): a BPDU is taken once the last one is dealt with. */
import { all, type Machine } from '../machine.ts';
import { MIGRATE_TIME, type Port } from '../port.ts';

const hasBpdu = (port: Port) => port.enabled && port.rcvdBpdu !== undefined;

export const portReceive: Machine<'DISCARD' | 'RECEIVE'> = {
  name: 'receive',
  begin: () => 'DISCARD',
  always: [
    [
      (p) => !p.enabled && (p.rcvdBpdu !== undefined || p.timers.edgeDelayWhile !== MIGRATE_TIME),
      'DISCARD',
    ],
  ],
  states: {
    DISCARD: {
      enter: (port) => {
        port.rcvdBpdu = undefined;
        port.rcvdRSTP = false;
        port.rcvdSTP = false;
        port.rcvdMsg = false;
        port.timers.edgeDelayWhile = MIGRATE_TIME;
      },
      exits: [[hasBpdu, 'RECEIVE']],
    },
    RECEIVE: {
      enter: (port) => {
        updtBPDUVersion(port);
        port.operEdge = false;
        port.message = port.rcvdBpdu;
        port.rcvdBpdu = undefined;
        port.rcvdMsg = true;
        port.timers.edgeDelayWhile = MIGRATE_TIME;
      },
      exits: [[all(hasBpdu, (p) => !p.rcvdMsg), 'RECEIVE']],
    },
  },
};

/** 17.21.22 */
function updtBPDUVersion(port: Port): void {
  if (port.rcvdBpdu?.type === 'rst') port.rcvdRSTP = true;
  else port.rcvdSTP = true;
}
