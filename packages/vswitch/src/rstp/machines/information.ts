/** Port Information (IEEE 802.1D-2004, 17.27): what a BPDU changes, and when it is forgotten. */
import { type Condition, type Machine, UCT } from '../machine.ts';
import type { Port, RcvdInfo } from '../port.ts';
import {
  betterorsameinfo,
  rcvInfo,
  recordAgreement,
  recordDispute,
  recordProposal,
  setTcFlags,
  updtRcvdInfoWhile,
} from '../procedures.ts';

const isToUpdate: Condition = (p) => p.selected && p.updtInfo;
const isToReceive: Condition = (p) => p.rcvdMsg && !p.updtInfo;
const isTooOld: Condition = (p) =>
  p.infoIs === 'Received' && p.timers.rcvdInfoWhile === 0 && !p.updtInfo && !p.rcvdMsg;

const is =
  (info: RcvdInfo): Condition =>
  (p) =>
    p.rcvdInfo === info;

function reselect(port: Port): void {
  port.reselect = true;
  port.selected = false;
}

export const portInformation: Machine<
  | 'DISABLED'
  | 'AGED'
  | 'UPDATE'
  | 'CURRENT'
  | 'RECEIVE'
  | 'SUPERIOR_DESIGNATED'
  | 'REPEATED_DESIGNATED'
  | 'INFERIOR_DESIGNATED'
  | 'NOT_DESIGNATED'
  | 'OTHER'
> = {
  name: 'information',
  begin: () => 'DISABLED',
  always: [[(p) => !p.enabled && p.infoIs !== 'Disabled', 'DISABLED']],
  states: {
    DISABLED: {
      enter: (port) => {
        port.rcvdMsg = false;
        port.proposing = false;
        port.proposed = false;
        port.agree = false;
        port.agreed = false;
        port.timers.rcvdInfoWhile = 0;
        port.infoIs = 'Disabled';
        reselect(port);
      },
      exits: [
        [(p) => p.enabled, 'AGED'],
        [(p) => p.rcvdMsg, 'DISABLED'],
      ],
    },
    AGED: {
      enter: (port) => {
        port.infoIs = 'Aged';
        reselect(port);
      },
      exits: [[isToUpdate, 'UPDATE']],
    },
    UPDATE: {
      enter: (port) => {
        port.proposing = false;
        port.proposed = false;
        port.agreed &&= betterorsameinfo(port, 'Mine');
        port.synced &&= port.agreed;
        port.portPriority = port.designatedPriority;
        port.portTimes = port.designatedTimes;
        port.updtInfo = false;
        port.infoIs = 'Mine';
        port.newInfo = true;
      },
      exits: [[UCT, 'CURRENT']],
    },
    CURRENT: {
      exits: [
        [isToUpdate, 'UPDATE'],
        [isTooOld, 'AGED'],
        [isToReceive, 'RECEIVE'],
      ],
    },
    RECEIVE: {
      enter: (port) => {
        port.rcvdInfo = rcvInfo(port);
      },
      exits: [
        [is('SuperiorDesignatedInfo'), 'SUPERIOR_DESIGNATED'],
        [is('RepeatedDesignatedInfo'), 'REPEATED_DESIGNATED'],
        [is('InferiorDesignatedInfo'), 'INFERIOR_DESIGNATED'],
        [is('InferiorRootAlternateInfo'), 'NOT_DESIGNATED'],
        [is('OtherInfo'), 'OTHER'],
      ],
    },
    SUPERIOR_DESIGNATED: {
      enter: (port) => {
        port.agreed = false;
        port.proposing = false;
        recordProposal(port);
        setTcFlags(port);
        port.agree &&= betterorsameinfo(port, 'Received');
        port.portPriority = port.msgPriority;
        // 17.21.12: a hello time of less than a second is none.
        const helloTime = Math.max(port.msgTimes.helloTime, 1);
        port.portTimes = { ...port.msgTimes, helloTime };
        updtRcvdInfoWhile(port);
        port.infoIs = 'Received';
        reselect(port);
        port.rcvdMsg = false;
      },
      exits: [[UCT, 'CURRENT']],
    },
    REPEATED_DESIGNATED: {
      enter: (port) => {
        recordProposal(port);
        setTcFlags(port);
        updtRcvdInfoWhile(port);
        port.rcvdMsg = false;
      },
      exits: [[UCT, 'CURRENT']],
    },
    INFERIOR_DESIGNATED: {
      enter: (port) => {
        recordDispute(port);
        port.rcvdMsg = false;
      },
      exits: [[UCT, 'CURRENT']],
    },
    NOT_DESIGNATED: {
      enter: (port) => {
        recordAgreement(port);
        setTcFlags(port);
        port.rcvdMsg = false;
      },
      exits: [[UCT, 'CURRENT']],
    },
    OTHER: {
      enter: (port) => {
        port.rcvdMsg = false;
      },
      exits: [[UCT, 'CURRENT']],
    },
  },
};
