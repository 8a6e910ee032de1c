/** Translations of random bridges and packets, beside the distribution's `ofproto/trace`. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatOdpFlow } from '@heddle/datapath';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { oracleInstalled } from '@heddle/datapath/oracle/reference-daemons';
import { extractFlow } from '@heddle/packet';
import { tracesAgree } from '../oracle/outputs.ts';
import { randomPacket } from '../oracle/random-packet.ts';
import { buildSwitch, randomSwitch, vsctlWords } from '../oracle/random-switch.ts';
import { SwitchOracle } from '../oracle/switch-oracle.ts';
import { trace } from '../trace/trace.ts';

const CONFIGURATIONS = Number(process.env['CONFIGURATIONS'] ?? 25);
const PACKETS = Number(process.env['PACKETS'] ?? 60);
const SEED = Number(process.env['SEED'] ?? 1);

describe('translation, beside Open vSwitch', { skip: !oracleInstalled() }, () => {
  it('decides alike for random switches and packets, and looks at the same bits', async () => {
    using oracle = new SwitchOracle();
    for (let n = 0; n < CONFIGURATIONS; n++) {
      const r = new Random(SEED * 1000 + n);
      const spec = randomSwitch(r);
      oracle.clear();
      oracle.vsctl(...vsctlWords(spec));
      const numbers = await oracle.ports();
      for (const { bridge, port, vlan, mac } of spec.macs) {
        const hex = mac
          .toString(16)
          .padStart(12, '0')
          .replace(/..(?!$)/g, '$&:');
        assert.equal(await oracle.appctl('fdb/add', bridge, port, String(vlan), hex), '');
      }
      const ours = buildSwitch(spec, numbers);
      for (let k = 0; k < PACKETS; k++) {
        const frame = randomPacket(r);
        const port = r.pick(numbers.filter((p) => p.odpPort !== undefined));
        const key = extractFlow(frame, { inPort: port.odpPort! });
        const text = formatOdpFlow(key);
        const theirs = await oracle.appctl('ofproto/trace', text);
        const mine = trace(ours.config, key, port.ofport).text;
        const where = `seed ${SEED}, configuration ${n}, packet ${k}: ${text}`;
        assert.ok(
          tracesAgree(key, mine, theirs, spec.mirrors.length > 0),
          `${where}\n\n${mine}\n${theirs}`,
        );
      }
    }
  });
});
