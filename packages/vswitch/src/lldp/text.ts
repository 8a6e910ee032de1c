/** What LLDP says of itself and of Auto Attach (`autoattach/*`). */
import type { Lldp } from './lldp.ts';

/** By what the server says (draft-unbehagen-lldp-spb); the rest are undefined. */
const STATUSES: Readonly<Record<number, string>> = {
  2: 'Active',
  3: 'Reject (Generic)',
  4: 'Reject (AA resources unavailable)',
  6: 'Reject (Invalid)',
  8: 'Reject (VLAN resources unavailable)',
  9: 'Reject (Application interaction issue)',
};
const STATUS_WIDTH = 11;

/** Open vSwitch shows system ids with two octets of zero behind them. */
export function showLldp(lldp: Lldp): string {
  const lines = [`LLDP: ${lldp.name}`];
  for (const { pdu } of lldp.neighbors.values()) {
    if (!pdu.aaSystemId) continue;
    lines.push(
      `  Auto Attach Primary Server Id: ${colons(pdu.chassisId.subarray(1))}`,
      `  Auto Attach Primary Server Descr: ${printable(pdu.systemDescription)}`,
      `  Auto Attach Primary Server System Id: ${colons(pdu.aaSystemId)}:00:00`,
    );
  }
  return `${lines.join('\n')}\n`;
}

export function showIsids(lldp: Lldp): string {
  const lines = [
    `LLDP: ${lldp.name}`,
    'I-SID    VLAN Source      Status  ',
    '-------- ---- ----------- --------',
  ];
  for (const { isid, vlan, status } of lldp.mappings) {
    const said = status === undefined ? 'Pending' : (STATUSES[status] ?? 'Undefined');
    const columns = [String(isid).padEnd(8), String(vlan).padEnd(4), 'Switch'.padEnd(11)];
    lines.push([...columns, said.padEnd(STATUS_WIDTH)].join(' '));
  }
  return `${lines.join('\n')}\n`;
}

export function showLldpStats({ name, stats }: Lldp): string {
  const lines = [
    `Statistics: ${name}`,
    `  tx cnt: ${stats.tx}`,
    `  rx cnt: ${stats.rx}`,
    `  rx discarded cnt: ${stats.discarded}`,
    `  rx unrecognized cnt: ${stats.unrecognized}`,
    `  ageout cnt: ${stats.ageout}`,
    `  insert cnt: ${stats.insert}`,
    `  delete cnt: ${stats.delete}`,
    `  drop cnt: ${stats.drop}`,
  ];
  return `${lines.join('\n')}\n`;
}

function colons(bytes: Uint8Array): string {
  return [...bytes].map((b) => b.toString(16).padStart(2, '0')).join(':');
}

/** A neighbour's words are not trusted to be a line of text. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?');
}
