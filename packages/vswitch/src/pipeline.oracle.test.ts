/**
 * Flow tables beside Open vSwitch's: random flows and packets through ofproto/trace. HEDDLE_SEED
 * and HEDDLE_COUNT choose the tables, HEDDLE_FLOWS and HEDDLE_PACKETS their size; with
 * HEDDLE_KEEP_GOING differences are told of, each with the fewest flows, and the last one is not the end.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { randomOf } from '@heddle/datapath/oracle/narrow-random';
import { oracleInstalled } from '@heddle/datapath/oracle/reference-daemons';
import {
  type Comparison,
  FlowTables,
  type PacketWords,
  randomFlowLines,
} from './oracle/flow-tables.ts';
import { REGRESSIONS, TAUGHT } from './oracle/regressions.ts';
import { shrink } from './oracle/shrink.ts';

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 8);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const FLOWS = Number(process.env['HEDDLE_FLOWS'] ?? 40);
const PACKETS = Number(process.env['HEDDLE_PACKETS'] ?? 40);
const KEEPS_GOING = process.env['HEDDLE_KEEP_GOING'] !== undefined;
const REPORT_EVERY = 100;
/** Of so many packets one teaches, too, and its connections are in random states. */
const TAUGHT_EVERY = 6;
/** What `--ct-next` takes: none, trk, and with it what else may be. */
const CT_STATES = [0, 0x20, 0x21, 0x22, 0x2a, 0x30, 0x62, 0xa6];

const differ = (c: Comparison | undefined): boolean => c !== undefined && c.ours !== c.theirs;

function told(lines: readonly string[], packet: PacketWords, c: Comparison | undefined): string {
  return `${lines.join('\n')}\n${packet.join(' ')}\n--- ours\n${c?.ours}\n--- theirs\n${c?.theirs}`;
}

/** A difference with what it does not need left out. */
async function smallest(
  tables: FlowTables,
  lines: readonly string[],
  packet: PacketWords,
  compare: (lines: readonly string[]) => Promise<Comparison | undefined>,
): Promise<string> {
  const fewest = await shrink(lines, async (fewer) => {
    if ((await tables.setFlows(fewer)).length > 0) return false;
    return differ(await compare(fewer));
  });
  await tables.setFlows(fewest);
  const found = await compare(fewest);
  await tables.setFlows(lines);
  return told(fewest, packet, found);
}

/** Over some action sets that wait for a recirculation Open vSwitch 3.1 aborts. */
function hasGone(error: unknown): boolean {
  return /ECONNRESET|EPIPE|connection has ended/.test(String(error));
}

describe('flow tables, beside Open vSwitch', { skip: !oracleInstalled() }, () => {
  let tables: FlowTables;
  before(async () => {
    tables = await FlowTables.open();
  });
  after(() => tables[Symbol.dispose]());

  it('traces random packets through random flows alike', async () => {
    let [traces, differences] = [0, 0];
    const report = (what: string) => {
      if (!KEEPS_GOING) assert.fail(what);
      console.log(`=====DIFF ${what}`);
      differences++;
    };
    const round = async (seed: number) => {
      const r = randomOf(seed);
      const groups = tables.setGroups(r);
      let lines = randomFlowLines(r, FLOWS);
      const odd = await tables.setFlows(lines);
      for (const what of odd) report(`seed ${seed}: ${what}`);
      if (odd.length > 0) {
        lines = lines.filter((line) => !odd.some((what) => what.startsWith(`${line}: `)));
        await tables.setFlows(lines);
      }
      const packets = Array.from({ length: PACKETS }, () => tables.randomPacket(r));
      const tell = async (
        k: number,
        found: Comparison | undefined,
        again: (lines: readonly string[]) => Promise<Comparison | undefined>,
      ) => {
        if (found) traces++;
        if (!differ(found)) return;
        const least = await smallest(tables, lines, packets[k]!, again);
        report(`seed ${seed}, packet ${k}:\n${groups.join('\n')}\n${least}`);
      };
      for (const [k, found] of (await tables.compare(packets)).entries()) {
        await tell(k, found, async () => (await tables.compare([packets[k]!]))[0]);
      }
      for (let k = 0; k < PACKETS; k += TAUGHT_EVERY) {
        const states = [r.pick(CT_STATES), r.pick(CT_STATES)];
        const again = (fewer: readonly string[]) =>
          tables.compareTaught(packets[k]!, fewer, states);
        await tell(k, await again(lines), again);
      }
    };
    for (let n = 0; n < COUNT; n++) {
      const seed = SEED * 100_000 + n;
      try {
        await round(seed);
      } catch (error) {
        if (!KEEPS_GOING && !hasGone(error)) throw error;
        console.log(`Open vSwitch has gone at seed ${seed}: ${error}`);
        tables[Symbol.dispose]();
        tables = await FlowTables.open();
      }
      if (n % REPORT_EVERY === REPORT_EVERY - 1) {
        console.log(`${traces} traces of ${FLOWS} flows each, ${differences} differences`);
      }
    }
    assert.equal(differences, 0, `${traces} traces`);
  });

  it('traces what has differed before alike', async () => {
    for (const { flows, packet } of REGRESSIONS) {
      assert.deepEqual(await tables.setFlows(flows), []);
      const words = ['br0', packet];
      const [found] = await tables.compare([words]);
      assert.ok(found && !differ(found), told(flows, words, found));
    }
  });

  it('traces packets that teach alike', async () => {
    for (const { flows, packet, states } of TAUGHT) {
      assert.deepEqual(await tables.setFlows(flows), []);
      const words = ['br0', packet];
      const found = await tables.compareTaught(words, flows, states);
      assert.ok(found && !differ(found), told(flows, words, found));
    }
  });
});
