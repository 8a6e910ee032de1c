/** Which changes of ports controllers are told of. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PhyPort } from '@heddle/openflow';
import type { OfPort } from '../ofproto.ts';
import type { Connmgr } from './connmgr.ts';
import { PortWatch } from './port-watch.ts';

const LIVE = 4;
const LINK_DOWN = 1;

/** What is told, as reason and state, and from which version of OpenFlow on. */
function watch(): { ports: Map<number, OfPort>; told: string[]; watch: PortWatch } {
  const ports = new Map<number, OfPort>();
  const told: string[] = [];
  const mgr = {
    env: { ofproto: { ports }, phyPort: (port: OfPort) => port },
    sendPortStatus: (reason: number, { state }: PhyPort, _by: unknown, since = 1) =>
      told.push(`${reason} ${state} ${since}`),
  };
  return { ports, told, watch: new PortWatch(mgr as unknown as Connmgr) };
}

const port = (state: number): OfPort => ({ ofport: 1, state }) as unknown as OfPort;

test('a port is there first, and then alive, which OpenFlow 1.0 cannot tell', () => {
  const { ports, told, watch: watcher } = watch();
  ports.set(1, port(LIVE));
  watcher.update();
  watcher.update();
  assert.deepEqual(told, ['0 0 1', `2 ${LIVE} 2`]);
});

test('a port that comes without carrier is told of once', () => {
  const { ports, told, watch: watcher } = watch();
  ports.set(1, port(LINK_DOWN));
  watcher.update();
  assert.deepEqual(told, [`0 ${LINK_DOWN} 1`]);
});
