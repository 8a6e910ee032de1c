/** Flow monitors in text: what follows `watch:` (ovs-ofctl(8), "monitor"). */
import { parseTable, type TableNames } from '../actions/table-names.ts';
import { KeyValueScanner } from '../actions/text-scan.ts';
import { fail, parseU32 } from '../actions/text-values.ts';
import { OFPG_ANY, OFPP_NONE, OFPTT_ALL } from '../constants.ts';
import { parseMatchField } from '../match/match-parse.ts';
import { type PortNames, parsePort } from '../match/ofp-port.ts';
import { OFPUTIL_P_ANY, type Protocols } from '../match/protocols.ts';
import { Match } from '../match.ts';
import type { FlowMonitorRequest } from '../messages.ts';

export interface MonitorTextOptions {
  readonly ports?: PortNames | undefined;
  readonly tables?: TableNames | undefined;
}

export interface ParsedFlowMonitor {
  readonly monitor: FlowMonitorRequest;
  readonly protocols: Protocols;
}

/** What is reported unless the text says otherwise: NXFMF_*. */
const NXFMF: Readonly<Record<string, number>> = {
  initial: 1,
  add: 2,
  delete: 4,
  modify: 8,
  actions: 16,
  own: 32,
};
const NXFMF_ALL = 0x3f;

/** Errors are ovs-ofctl's, as HeddleError. */
export function parseFlowMonitorRequest(
  text: string,
  id: number,
  options: MonitorTextOptions = {},
): ParsedFlowMonitor {
  const match = new Match();
  let flags = NXFMF_ALL;
  let tableId = OFPTT_ALL;
  let outPort: number = OFPP_NONE;
  let outGroup: number = OFPG_ANY;
  let protocols: Protocols = OFPUTIL_P_ANY;
  const scan = new KeyValueScanner(text);
  while (scan.next()) {
    const { key, value } = scan;
    const bit = key.startsWith('!') ? NXFMF[key.slice(1)] : undefined;
    if (bit !== undefined) {
      flags &= ~bit;
      continue;
    }
    if (key === 'table' && value !== '') {
      tableId = parseTable(value, options.tables) ?? fail(`unknown table "${value}"`);
    } else if (key === 'out_port' && value !== '') {
      outPort = parsePort(value, options.ports) ?? fail(`${value} is not a valid OpenFlow port`);
    } else if (key === 'out_group' && value !== '') {
      outGroup = parseU32(value);
    } else {
      const p = parseMatchField(match, key, value === '' ? '0/0' : value, options.ports);
      if (p === undefined) {
        fail(
          value === '' ? `${text}: field ${key} missing value` : `${text}: unknown keyword ${key}`,
        );
      }
      protocols &= p;
    }
  }
  const monitor = { id, command: 'add' as const, flags, outPort, outGroup, tableId, match };
  return { monitor, protocols };
}
