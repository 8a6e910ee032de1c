/** Roles of controllers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OfpBody } from '@heddle/openflow';
import type { Connmgr } from './connmgr.ts';
import { handleRole } from './handle-config.ts';
import type { OfConn } from './ofconn.ts';

test('who is no longer primary hears of it from OpenFlow 1.3 on', () => {
  const heard: string[] = [];
  const conn = (version: number, role: string) =>
    ({
      version,
      role,
      send: (_xid: number, body: OfpBody) => heard.push(`${version} ${body.type}`),
    }) as unknown as OfConn;
  const [asks, ...others] = [conn(1, 'equal'), conn(3, 'primary'), conn(4, 'primary')];
  const conns = new Set([asks!, ...others, conn(5, 'equal')]);
  const mgr = { conns, generationId: 3n } as unknown as Connmgr;
  handleRole(mgr, asks!, { type: 'role_request', role: 'primary' } as never);
  assert.deepEqual(heard, ['4 role_status', '1 role_reply']);
  assert.deepEqual(
    [...conns].map(({ role }) => role),
    ['primary', 'secondary', 'secondary', 'equal'],
  );
});
