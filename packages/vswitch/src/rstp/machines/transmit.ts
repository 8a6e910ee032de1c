/** Port Transmit (IEEE 802.1D-2004, 17.26). */
import { all, type Condition, type Machine, UCT } from '../machine.ts';
import type { Port } from '../port.ts';
import { isSettled } from '../procedures.ts';
import { txConfig, txRstp, txTcn } from '../send.ts';

const maySend: Condition = (p) =>
  p.enabled &&
  isSettled(p) &&
  p.newInfo &&
  p.txCount < p.bridge.settings.transmitHoldCount &&
  p.timers.helloWhen !== 0;

function sent(port: Port): void {
  port.newInfo = false;
  port.txCount++;
}

export const portTransmit: Machine<
  | 'TRANSMIT_INIT'
  | 'TRANSMIT_PERIODIC'
  | 'IDLE'
  | 'TRANSMIT_CONFIG'
  | 'TRANSMIT_TCN'
  | 'TRANSMIT_RSTP'
> = {
  name: 'transmit',
  begin: () => 'TRANSMIT_INIT',
  always: [],
  states: {
    TRANSMIT_INIT: {
      enter: (port) => {
        port.newInfo = true;
        port.txCount = 0;
      },
      exits: [[UCT, 'IDLE']],
    },
    TRANSMIT_PERIODIC: {
      enter: (port) => {
        const { role, timers } = port;
        port.newInfo ||= role === 'Designated' || (role === 'Root' && timers.tcWhile !== 0);
      },
      exits: [[UCT, 'IDLE']],
    },
    IDLE: {
      enter: (port) => {
        port.timers.helloWhen = port.helloTime;
      },
      exits: [
        [all(isSettled, (p) => p.timers.helloWhen === 0), 'TRANSMIT_PERIODIC'],
        [all(maySend, (p) => p.sendRSTP), 'TRANSMIT_RSTP'],
        [all(maySend, (p) => !p.sendRSTP && p.role === 'Designated'), 'TRANSMIT_CONFIG'],
        [all(maySend, (p) => !p.sendRSTP && p.role === 'Root'), 'TRANSMIT_TCN'],
      ],
    },
    TRANSMIT_CONFIG: {
      enter: (port) => {
        sent(port);
        txConfig(port);
        port.tcAck = false;
      },
      exits: [[UCT, 'IDLE']],
    },
    TRANSMIT_TCN: {
      enter: (port) => {
        sent(port);
        txTcn(port);
      },
      exits: [[UCT, 'IDLE']],
    },
    TRANSMIT_RSTP: {
      enter: (port) => {
        sent(port);
        txRstp(port);
        port.tcAck = false;
      },
      exits: [[UCT, 'IDLE']],
    },
  },
};
