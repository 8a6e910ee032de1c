/** What a bridge has dropped of late, for people and as JSON. */
import type { PortStats } from '@heddle/datapath';
import { toHex } from '@heddle/packet';
import type { OfPort, Ofproto } from '../ofproto.ts';
import type { ExplainEnv } from './env.ts';
import { explain } from './explain.ts';
import { verdictText } from './explain-text.ts';
import type { Explanation } from './explanation.ts';

export interface DropReport {
  readonly counters: readonly {
    readonly reason: string;
    readonly table: number;
    readonly flow?: string;
    readonly packets: number;
    readonly bytes: number;
    readonly secondsAgo: number;
  }[];
  readonly meters: readonly { readonly meter: number; readonly packets: number; bytes: number }[];
  /** What devices lost on sending, where they count it, and what came in beyond the port's rate. */
  readonly ports: readonly {
    readonly port: string;
    readonly txDropped: number;
    readonly policed: number;
  }[];
  readonly samples: readonly {
    readonly reason: string;
    readonly secondsAgo: number;
    readonly head: string;
    readonly length: number;
    /** As things are now. */
    readonly explanation: Explanation;
  }[];
}

export function dropReport(
  env: ExplainEnv,
  bridge: Ofproto,
  stats: (port: OfPort) => Pick<PortStats, 'rxDropped' | 'txDropped'>,
): DropReport {
  const seconds = (ms: number) => Math.max(Math.floor((env.nowMs() - ms) / 1000), 0);
  return {
    counters: bridge.drops.counters().map(({ lastMs, flow, ...counter }) => ({
      ...counter,
      ...(flow !== undefined && { flow }),
      secondsAgo: seconds(lastMs),
    })),
    meters: [...bridge.meters.entries()].flatMap(([meter, { stats }]) => {
      const { bands } = stats;
      const packets = bands.reduce((sum, b) => sum + b.packets, 0);
      return packets === 0
        ? []
        : [{ meter, packets, bytes: bands.reduce((n, b) => n + b.bytes, 0) }];
    }),
    ports: [...bridge.ports.values()].flatMap((port) => {
      const { rxDropped, txDropped } = stats(port);
      const policed = port.policing === undefined ? 0 : Math.max(rxDropped, 0);
      if (txDropped <= 0 && policed === 0) return [];
      return [{ port: port.name, txDropped: Math.max(txDropped, 0), policed }];
    }),
    samples: bridge.drops.samples().flatMap((sample) => {
      const port = env.config.portOf(sample.flow.inPort);
      if (!port) return [];
      const { flow, length } = sample;
      const packet = { bridge: port.bundle.bridge, flow, ofport: port.ofport, length };
      return [
        {
          reason: sample.reason,
          secondsAgo: seconds(sample.timeMs),
          head: toHex(sample.head),
          length,
          explanation: explain(env, packet),
        },
      ];
    }),
  };
}

export function dropReportText(report: DropReport): string {
  const { counters, meters, ports, samples } = report;
  const lines: string[] = [];
  if (counters.length === 0) lines.push('No packet was dropped by the bridge.');
  else lines.push('Dropped:');
  for (const c of counters) {
    const where = `table ${c.table}${c.flow === undefined ? '' : `: ${c.flow}`}`;
    lines.push(
      `  ${c.packets} packets, ${c.bytes} bytes, last ${c.secondsAgo} s ago: ${c.reason} (${where})`,
    );
  }
  for (const m of meters) lines.push(`  ${m.packets} packets, ${m.bytes} bytes: meter ${m.meter}`);
  for (const { port, txDropped, policed } of ports) {
    if (txDropped > 0) lines.push(`  ${txDropped} packets: lost by device ${port} on sending`);
    if (policed > 0)
      lines.push(`  ${policed} packets: more than port ${port} may receive (ingress policing)`);
  }
  if (samples.length > 0) lines.push('', 'The last ones (first packets of their flows):');
  for (const { explanation, reason, secondsAgo, length } of samples) {
    lines.push(`  ${secondsAgo} s ago, ${length} bytes: ${explanation.flow}`, `      ${reason}`);
    lines.push(`      now it ${verdictText(explanation)}`);
    for (const { command } of explanation.edits.slice(0, 1)) lines.push(`      ${command}`);
  }
  return `${lines.join('\n')}\n`;
}
