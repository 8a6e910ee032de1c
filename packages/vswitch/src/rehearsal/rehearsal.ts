/**
 * V8 interprets what has not run often: the first packets that a switch is asked about take several
 * times as long as later ones. So a switch that is left alone after its start plays some with itself,
 * on a bridge that nobody sees.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { DpRehearsal } from '@heddle/datapath';
import { coverage, messageOf, rehearsalBudgetMs, vlog } from '@heddle/runtime';
import { Stage } from './stage.ts';

const log = vlog.module('ofproto_dpif_upcall');
/** How long nobody has asked for anything when a rehearsal begins or goes on. */
const QUIET_MS = 200;
/** A rehearsal works so long, and then rests as long. */
const SLICE_MS = 3;
/** Every so many slices there is talk, which takes longer than one. */
const TALK_SLICES = 2;
const BUDGET_MS = 4000;
const MAX_ROUNDS = 8000;
/**
 * On the first stages: code must not be made for the objects of one of them, so several have been seen
 * by the time that it is made.
 */
const FIRST_ROUNDS = [2, 4, 8, 16];
const MORE_ROUNDS = 1000;
/** Of the processor time, for what comes after the collection of all memory. */
const LAST_SHARE = 0.1;
/** Outside of V8's heap: more than it takes for a reason to collect. */
const MUCH_BYTES = 80 << 20;

/** What counts when anybody asks for something. */
const ASKED = ['xlate_actions', 'ofproto_recv_openflow', 'unixctl_received'].map((name) =>
  coverage.counter(name),
);

interface RehearsalOptions {
  /** How long to wait before it begins. Switches that live shorter do without. */
  readonly afterMs?: number;
  /** Processor time of this process, from its first round on, after which it ends. */
  readonly cpuMs?: number;
}

/**
 * Rehearses while nobody asks the switch for anything, with datapaths like the one that it has by then;
 * resolves with the number of rounds when it is over. There is nothing to be quick at without a datapath,
 * and dummies, which are for tests, have none to rehearse with.
 */
export async function rehearse(
  open: () => DpRehearsal | undefined,
  { afterMs = 2000, cpuMs = rehearsalBudgetMs(BUDGET_MS) }: RehearsalOptions = {},
): Promise<number> {
  const quiet = silence();
  await pause(afterMs);
  await quiet();
  let round = 0;
  /** Of the stage's. */
  let end = 0;
  let stages = 0;
  let slices = 0;
  let stage: Stage | undefined;
  const play = async (cpuMs: number) => {
    const endUs = usedUs() + cpuMs * 1000;
    while (round < MAX_ROUNDS && usedUs() < endUs) {
      if (round >= end) {
        stage?.close();
        stage = uncounted(() => openStage(open()));
        if (!stage) break;
        end += FIRST_ROUNDS[stages++] ?? MORE_ROUNDS;
        // What its start has put off comes before its first round.
        await pause(SLICE_MS);
        await quiet();
      }
      const own = stage!;
      const sliceMs = performance.now();
      uncounted(() => {
        do own.play(round++);
        while (round < end && performance.now() - sliceMs < SLICE_MS);
      });
      if (slices++ % TALK_SLICES === 0) await own.talk();
      await pause(SLICE_MS);
      await quiet();
    }
  };
  try {
    await play(cpuMs * (1 - LAST_SHARE));
    if (stage) {
      collectSoon();
      // What another stage takes would bring the next collection nearer.
      end = Number.POSITIVE_INFINITY;
      await play(cpuMs * LAST_SHARE);
    }
  } catch (error) {
    log.dbg(`no rehearsal: ${messageOf(error)}`);
  } finally {
    stage?.close();
  }
  return round;
}

/**
 * Has V8 collect all memory, for the most part beside other work. That takes as long as thousands of new flows, and would
 * come with the first of them: rehearsing leaves a lot. It throws away the code of functions that are made anew for each
 * call, so that there is some rehearsing after it. Nobody touches what is asked for, which makes it no memory. (V8's
 * `gc` would throw away most other code, too.)
 */
function collectSoon(): void {
  new ArrayBuffer(MUCH_BYTES);
}

function openStage(datapath: DpRehearsal | undefined): Stage | undefined {
  return datapath && new Stage(datapath);
}

/** What it returns waits until nobody asks any more: not at all when nobody has since the last time. */
function silence(): () => Promise<void> {
  let before = -1;
  return async () => {
    for (;;) {
      const asked = ASKED.reduce((sum, { total }) => sum + total, 0);
      if (asked === before) return;
      before = asked;
      await pause(QUIET_MS);
    }
  };
}

/** What is counted meanwhile is the rehearsal's. */
function uncounted<T>(work: () => T): T {
  const takeBack = coverage.disregard();
  try {
    return work();
  } finally {
    takeBack();
  }
}

function pause(ms: number): Promise<void> {
  return delay(ms, undefined, { ref: false });
}

function usedUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
