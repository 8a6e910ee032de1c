/** BPDUs of other bridges, some of them odd. */
import type { Random } from '@heddle/datapath/oracle/random-frame';
import { type Bpdu, BpduFlag } from '../spanning-tree/bpdu.ts';
import { bridgeIdOf } from '../spanning-tree/tree.ts';

const PRIORITIES = [0, 0x1000, 0x8000, 0x9000];

function bridgeId(r: Random): bigint {
  return bridgeIdOf(r.pick(PRIORITIES), 0x020000000000 + r.below(3));
}

export function randomBpdu(r: Random, kind: 'stp' | 'rstp'): Bpdu {
  if (r.chance(15)) return { type: 'tcn' };
  const isRst = kind === 'rstp' && r.chance(80);
  let flags = 0;
  for (const flag of isRst ? RST_FLAGS : CONFIG_FLAGS) if (r.chance(30)) flags |= flag;
  const messageAge = r.chance(80) ? r.below(4) : r.below(25);
  return {
    type: isRst ? 'rst' : 'config',
    flags,
    role: isRst ? (r.chance(60) ? 3 : r.below(4)) : 3,
    rootId: bridgeId(r),
    rootPathCost: r.pick([0, 2, 19, 2000]),
    bridgeId: bridgeId(r),
    portId: 0x8000 + r.below(3),
    // Of STP's an odd part, so that what ages with them falls due at the time of nothing else.
    messageAgeMs: messageAge * 1000 + (kind === 'stp' ? 250 : 0),
    maxAgeMs: r.pick([20, 20, 10]) * 1000,
    helloTimeMs: r.pick([2, 2, 1]) * 1000,
    forwardDelayMs: r.pick([15, 15, 4]) * 1000,
  };
}

const CONFIG_FLAGS = [BpduFlag.topologyChange, BpduFlag.topologyChangeAck];
const RST_FLAGS = [
  BpduFlag.topologyChange,
  BpduFlag.proposal,
  BpduFlag.learning,
  BpduFlag.forwarding,
  BpduFlag.agreement,
];
