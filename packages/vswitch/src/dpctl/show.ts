/** `dump-dps`, `show` and what prints ports and their counters. */
import { type Dpif, type DpPort, isTunnelVport, type PortStats } from '@heddle/datapath';
import { DEFAULT_PORTS } from '../tunnel/config.ts';
import { type DpctlCommand, type DpctlRun, dpFullName, findDpif, missingDpif } from './command.ts';

export const dumpDps: DpctlCommand = {
  name: 'dump-dps',
  usage: '',
  minArgs: 0,
  maxArgs: 0,
  run(run) {
    for (const dpif of run.env.dpifs()) run.print(dpFullName(dpif));
  },
};

export const show: DpctlCommand = {
  name: 'show',
  usage: '[-s] [dp...]',
  minArgs: 0,
  maxArgs: Number.MAX_SAFE_INTEGER,
  run(run) {
    if (run.args.length === 0) {
      const all = run.env.dpifs();
      for (const dpif of all) showDpif(run, dpif);
      if (all.length === 0 && run.env.program === 'ovs-dpctl') run.fail('no datapaths exist');
      return;
    }
    for (const arg of run.args) {
      const dpif = findDpif(run.env, arg);
      if (dpif) showDpif(run, dpif);
      else run.fail(`opening datapath ${arg} failed`, missingDpif(run.env, arg));
    }
  },
};

function showDpif(run: DpctlRun, dpif: Dpif): void {
  const s = dpif.stats();
  run.print(`${dpFullName(dpif)}:`);
  run.print(`  lookups: hit:${s.hit} missed:${s.missed} lost:${s.lost}`);
  run.print(`  flows: ${s.flows}`);
  if (dpif.engine === 'kernel') showMasks(run, s);
  const ports = [...dpif.ports()].sort((a, b) => a.portNo - b.portNo);
  for (const port of ports) {
    run.print(`  port ${port.portNo}: ${port.name}${typeSuffix(port)}`);
    if (run.options.statistics) showPortStats(run, dpif.portStats(port.portNo));
  }
  showLosses(run, s.lostByPort, s.drops, ports);
}

function showMasks(run: DpctlRun, s: ReturnType<Dpif['stats']>): void {
  const packets = s.hit + s.missed;
  const perPacket = packets === 0 ? 0 : s.maskHit / packets;
  run.print(`  masks: hit:${s.maskHit} total:${s.masks} hit/pkt:${perPacket.toFixed(2)}`);
  const rate = packets === 0 ? 0 : (s.cacheHit * 100) / packets;
  run.print(`  cache: hit:${s.cacheHit} hit-rate:${rate.toFixed(2)}%`);
}

/** Lines that upstream lacks: only with -s, so that parsers of the usual output see no surprise. */
function showLosses(
  run: DpctlRun,
  lost: ReadonlyMap<number, number>,
  drops: ReadonlyMap<string, number>,
  ports: readonly DpPort[],
): void {
  if (!run.options.statistics) return;
  for (const port of ports) {
    const n = lost.get(port.portNo) ?? 0;
    if (n > 0) run.print(`  lost upcalls of port ${port.portNo}: ${n}`);
  }
  for (const [reason, n] of drops) if (n > 0) run.print(`  dropped (${reason}): ${n}`);
}

function typeSuffix(port: DpPort): string {
  if (port.type === 'system') return '';
  if (!isTunnelVport(port.type)) {
    const config = port.config === undefined ? '' : `: ${port.config}`;
    return ` (${port.type}${config})`;
  }
  const { dstPort = 0 } = port;
  if (port.type === 'gre-l3') return ' (gre: packet_type=legacy_l3)';
  const isDefault = dstPort === DEFAULT_PORTS[port.type];
  return ` (${port.type}: ${isDefault ? '' : `dst_port=${dstPort}, `}packet_type=ptap)`;
}

function showPortStats(run: DpctlRun, s: PortStats): void {
  const n = (count: number): string => (count < 0 ? '?' : String(count));
  const none = n(Math.min(s.txErrors, 0));
  run.print(
    `    RX packets:${n(s.rxPackets)} errors:${n(s.rxErrors)} dropped:${n(s.rxDropped)}` +
      ` overruns:${n(s.rxOverErrors)} frame:${n(s.rxFrameErrors)}`,
  );
  run.print(
    `    TX packets:${n(s.txPackets)} errors:${n(s.txErrors)} dropped:${n(s.txDropped)}` +
      ` aborted:${none} carrier:${none}`,
  );
  run.print(`    collisions:${n(s.collisions)}`);
  run.print(`    RX bytes:${humanBytes(s.rxBytes)}  TX bytes:${humanBytes(s.txBytes)}`);
}

/** `12345 (12.1 KiB)`, as upstream prints byte counts of 1,000 and more. */
function humanBytes(n: number): string {
  const units: readonly [number, string][] = [
    [2 ** 40, 'TiB'],
    [2 ** 30, 'GiB'],
    [2 ** 20, 'MiB'],
    [2 ** 10, 'KiB'],
  ];
  for (const [size, name] of units) {
    if (n >= size) return `${n} (${(n / size).toFixed(1)} ${name})`;
  }
  return `${n}`;
}
