/** Helpers of connection tracking beside Open vSwitch's: random conversations through the same flow tables. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HelperPackets } from '@heddle/datapath/oracle/helper-packets';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { oracleInstalled } from '@heddle/datapath/oracle/reference-daemons';
import { toHex } from '@heddle/packet';
import { ConntrackOracle } from './oracle/conntrack-oracle.ts';
import { HELPER_SCENARIOS, type HelperScenario } from './oracle/helper-flows.ts';
import { OurConntrack } from './oracle/our-conntrack.ts';

const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 30);

/** IPv4 with TCP: up to the ports, and the numbers behind them. Theirs leaves translated text as it is. */
const HEADERS = 2 * (14 + 20 + 16);

function sorted(dump: string): string {
  return dump.trim().split('\n').sort().join('\n');
}

async function compare(oracle: ConntrackOracle, scenario: HelperScenario): Promise<void> {
  const { name, flows, helper, v6, clientAs, serverAs } = scenario;
  const r = new Random(SEED);
  const ours = await OurConntrack.open(scenario);
  await oracle.appctl('dpctl/flush-conntrack');
  await oracle.flows(flows.map((f) => f.replace(' actions', ',actions')));
  const firstPort = 2048 + 4096 * HELPER_SCENARIOS.indexOf(scenario);
  const packets = new HelperPackets(r, { helper, v6, firstPort, clientAs, serverAs });
  const isTranslated = clientAs !== undefined || serverAs !== undefined;
  const seen = (line: string) => (isTranslated && helper === 'ftp' ? line.slice(0, HEADERS) : line);
  const history: string[] = [];
  for (let i = 0; i < COUNT; i++) {
    if (r.below(20) === 0 && !isTranslated) {
      const ms = r.pick([500, 5000, 31_000, 46_000]);
      await oracle.warp(ms);
      ours.clock.advance(ms);
      history.push(`warp ${ms}`);
    }
    const { port, frame } = packets.next();
    const text = JSON.stringify(Buffer.from(frame.subarray(v6 ? 74 : 54)).toString('latin1'));
    history.push(`${port}:${toHex(frame)} ${text}`);
    const where = () => `${name}, seed ${SEED} packet ${i}\n${history.slice(-12).join('\n')}\n`;
    const theirs = (await oracle.send(port, frame)).map(seen).join('\n');
    assert.equal(ours.send(port, frame).map(seen).join('\n'), theirs, where());
    const dump = sorted(await oracle.appctl('dpctl/dump-conntrack', '-s'));
    assert.equal(ours.dump({ stats: true }), dump, where());
  }
}

describe('helpers of connection tracking, beside Open vSwitch', {
  skip: !oracleInstalled(),
}, () => {
  let oracle: ConntrackOracle;
  before(async () => {
    oracle = new ConntrackOracle(3);
    await oracle.open();
  });
  after(() => oracle[Symbol.dispose]());

  for (const scenario of HELPER_SCENARIOS) it(scenario.name, () => compare(oracle, scenario));
});
