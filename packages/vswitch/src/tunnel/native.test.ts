/** Source addresses of tunnels that bridges carry. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OfPort } from '../ofproto.ts';
import { formatAddress, parseAddress } from './config.ts';
import { type NativeEnv, NativeTunnels } from './native.ts';
import type { TunnelRoutes } from './routes.ts';

const OURS = { v4: '10.0.0.254', v6: 'fd00::fe' };

function tunnels(): NativeTunnels {
  const routes = {
    lookup: (to: string) => ({
      source: to.includes(':') ? OURS.v6 : OURS.v4,
      device: 'br0',
      gateway: '::',
    }),
    isLocal: (address: string) => Object.values(OURS).includes(address),
  };
  return new NativeTunnels({
    routes: routes as unknown as TunnelRoutes,
    localPorts: () => [{ name: 'br0' } as OfPort],
    macOf: () => '02:00:00:00:00:01',
  } as unknown as NativeEnv);
}

test('a packet leaves with an address of its own family', () => {
  const cases: readonly [to: string, from: string, source: string | undefined][] = [
    ['10.0.0.5', '10.0.0.254', OURS.v4],
    ['10.0.0.5', '10.0.0.77', undefined],
    ['10.0.0.5', 'fd00::fe', OURS.v4],
    ['10.0.0.5', 'fd00::77', OURS.v4],
    ['fd00::5', 'fd00::fe', OURS.v6],
    ['fd00::5', 'fd00::77', OURS.v6],
    ['fd00::5', '10.0.0.254', undefined],
    ['fd00::5', '0.0.0.0', OURS.v6],
  ];
  for (const [to, from, source] of cases) {
    const route = tunnels().route(parseAddress(to)!, parseAddress(from)!, 0);
    const text = route && formatAddress(route.source);
    assert.equal(text, source, `${from} to ${to}`);
  }
});
