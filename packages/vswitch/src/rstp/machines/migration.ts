/** Port Protocol Migration (IEEE 802.1D-2004, 17.24): whether to speak RSTP or STP. */
import type { Machine } from '../machine.ts';
import { MIGRATE_TIME, type Port } from '../port.ts';

const isOver = (port: Port) => port.timers.mdelayWhile === 0;

export const protocolMigration: Machine<'CHECKING_RSTP' | 'SELECTING_STP' | 'SENSING'> = {
  name: 'migration',
  begin: () => 'CHECKING_RSTP',
  always: [],
  states: {
    CHECKING_RSTP: {
      enter: (port) => {
        port.mcheck = false;
        port.sendRSTP = port.bridge.isRstp;
        port.timers.mdelayWhile = MIGRATE_TIME;
      },
      exits: [
        [isOver, 'SENSING'],
        [(p) => p.timers.mdelayWhile !== MIGRATE_TIME && !p.enabled, 'CHECKING_RSTP'],
      ],
    },
    SENSING: {
      enter: (port) => {
        port.rcvdRSTP = false;
        port.rcvdSTP = false;
      },
      exits: [
        [
          (p) => !p.enabled || p.mcheck || (p.bridge.isRstp && !p.sendRSTP && p.rcvdRSTP),
          'CHECKING_RSTP',
        ],
        [(p) => p.sendRSTP && p.rcvdSTP, 'SELECTING_STP'],
      ],
    },
    SELECTING_STP: {
      enter: (port) => {
        port.sendRSTP = false;
        port.timers.mdelayWhile = MIGRATE_TIME;
      },
      exits: [[(p) => isOver(p) || !p.enabled || p.mcheck, 'SENSING']],
    },
  },
};
