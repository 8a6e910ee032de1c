/** Topology Change (IEEE 802.1D-2004, 17.31). */
import { type Machine, UCT } from '../machine.ts';
import type { Port } from '../port.ts';
import { newTcWhile, setTcPropTree } from '../procedures.ts';

const isActiveRole = ({ role }: Port) => role === 'Root' || role === 'Designated';
const hasHeard = (p: Port) => p.rcvdTc || p.rcvdTcn || p.rcvdTcAck || p.tcProp;

export const topologyChange: Machine<
  | 'INACTIVE'
  | 'LEARNING'
  | 'DETECTED'
  | 'ACTIVE'
  | 'NOTIFIED_TCN'
  | 'NOTIFIED_TC'
  | 'PROPAGATING'
  | 'ACKNOWLEDGED'
> = {
  name: 'topologyChange',
  begin: () => 'INACTIVE',
  always: [],
  states: {
    INACTIVE: {
      enter: (port) => {
        port.bridge.flush(port);
        port.timers.tcWhile = 0;
        port.tcAck = false;
      },
      exits: [[(p) => p.learn, 'LEARNING']],
    },
    LEARNING: {
      enter: (port) => {
        port.rcvdTc = false;
        port.rcvdTcn = false;
        port.rcvdTcAck = false;
        port.tcProp = false;
      },
      exits: [
        [(p) => isActiveRole(p) && p.forward && !p.operEdge, 'DETECTED'],
        [(p) => !isActiveRole(p) && !p.learn && !p.learning && !hasHeard(p), 'INACTIVE'],
        [hasHeard, 'LEARNING'],
      ],
    },
    DETECTED: {
      enter: (port) => {
        newTcWhile(port);
        setTcPropTree(port);
        port.newInfo = true;
      },
      exits: [[UCT, 'ACTIVE']],
    },
    ACTIVE: {
      exits: [
        [(p) => !isActiveRole(p) || p.operEdge, 'LEARNING'],
        [(p) => p.rcvdTcn, 'NOTIFIED_TCN'],
        [(p) => p.rcvdTc, 'NOTIFIED_TC'],
        [(p) => p.tcProp, 'PROPAGATING'],
        [(p) => p.rcvdTcAck, 'ACKNOWLEDGED'],
      ],
    },
    NOTIFIED_TCN: { enter: newTcWhile, exits: [[UCT, 'NOTIFIED_TC']] },
    NOTIFIED_TC: {
      enter: (port) => {
        port.rcvdTcn = false;
        port.rcvdTc = false;
        if (port.role === 'Designated') port.tcAck = true;
        setTcPropTree(port);
      },
      exits: [[UCT, 'ACTIVE']],
    },
    PROPAGATING: {
      enter: (port) => {
        newTcWhile(port);
        port.bridge.flush(port);
        port.tcProp = false;
      },
      exits: [[UCT, 'ACTIVE']],
    },
    ACKNOWLEDGED: {
      enter: (port) => {
        port.timers.tcWhile = 0;
        port.rcvdTcAck = false;
      },
      exits: [[UCT, 'ACTIVE']],
    },
  },
};
