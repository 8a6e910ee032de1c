/** The commands: arguments, and where they are. */
import { print } from '@heddle/runtime/stdio';
import type { Context } from './context.ts';

export interface Command {
  readonly name: string;
  /** Of the arguments, in list-commands. */
  readonly usage: string;
  readonly min: number;
  readonly max: number;
  /** Changes the switch, which --read-only forbids. */
  readonly writes?: boolean;
  load(): Promise<(ctx: Context) => Promise<number> | number>;
}

type Row = readonly [
  name: string,
  usage: string,
  min: number,
  max: number,
  writes: boolean,
  load: Command['load'],
];

const show = () => import('./show.ts');
const ports = () => import('./port-commands.ts');
const flows = () => import('./flows.ts');
const replace = () => import('./replace-flows.ts');
const groups = () => import('./group-commands.ts');
const follow = () => import('./monitor.ts');
const echo = () => import('./echo.ts');
const files = () => import('./ofp-parse.ts');
const tlv = () => import('./tlv.ts');
const tests = () => import('./parse-commands.ts');
const packets = () => import('./packet-commands.ts');
const ct = () => import('./ct-flush.ts');
const help = () => import('./usage.ts');
const ANY = Number.POSITIVE_INFINITY;

// biome-ignore format: one row per command reads as the table it is
const ROWS: readonly Row[] = [
  ['show', 'switch', 1, 1, false, async () => (await show()).show],
  ['monitor', 'switch [misslen] [invalid_ttl] [watch:[...]]', 1, 3, false, async () => (await follow()).monitor],
  ['snoop', 'switch', 1, 1, false, async () => (await follow()).snoop],
  ['dump-desc', 'switch', 1, 1, false, async () => (await show()).dumpDesc],
  ['dump-tables', 'switch', 1, 1, false, async () => (await show()).dumpTables],
  ['dump-table-features', 'switch', 1, 1, false, async () => (await show()).dumpTableFeatures],
  ['dump-table-desc', 'switch', 1, 1, false, async () => (await show()).dumpTableDesc],
  ['dump-flows', 'switch', 1, 2, false, async () => (await flows()).dumpFlows],
  ['dump-aggregate', 'switch', 1, 2, false, async () => (await flows()).dumpAggregate],
  ['queue-stats', 'switch [port [queue]]', 1, 3, false, async () => (await show()).queueStats],
  ['queue-get-config', 'switch [port [queue]]', 1, 3, false, async () => (await show()).queueGetConfig],
  ['add-flow', 'switch flow', 2, 2, true, async () => (await flows()).addFlow],
  ['add-flows', 'switch file', 2, 2, true, async () => (await flows()).addFlows],
  ['mod-flows', 'switch flow', 2, 2, true, async () => (await flows()).modFlows],
  ['del-flows', 'switch [flow]', 1, 2, true, async () => (await flows()).delFlows],
  ['replace-flows', 'switch file', 2, 2, true, async () => (await replace()).replaceFlows],
  ['diff-flows', 'source1 source2', 2, 2, true, async () => (await replace()).diffFlows],
  ['add-meter', 'switch meter', 2, 2, true, async () => (await groups()).addMeter],
  ['mod-meter', 'switch meter', 2, 2, true, async () => (await groups()).modMeter],
  ['del-meter', 'switch meter', 1, 2, true, async () => (await groups()).delMeters],
  ['del-meters', 'switch', 1, 2, true, async () => (await groups()).delMeters],
  ['dump-meter', 'switch meter', 1, 2, false, async () => (await show()).dumpMeters],
  ['dump-meters', 'switch', 1, 2, false, async () => (await show()).dumpMeters],
  ['meter-stats', 'switch [meter]', 1, 2, false, async () => (await show()).meterStats],
  ['meter-features', 'switch', 1, 1, false, async () => (await show()).meterFeatures],
  ['packet-out', 'switch "in_port=<port> packet=<hex data> actions=..."', 2, ANY, true, async () => (await packets()).packetOut],
  ['dump-ports', 'switch [port]', 1, 2, false, async () => (await show()).dumpPorts],
  ['dump-ports-desc', 'switch [port]', 1, 2, false, async () => (await show()).dumpPortsDesc],
  ['mod-port', 'switch iface act', 3, 3, true, async () => (await ports()).modPort],
  ['mod-table', 'switch mod', 3, 3, true, async () => (await ports()).modTable],
  ['get-frags', 'switch', 1, 1, false, async () => (await ports()).getFrags],
  ['set-frags', 'switch frag_mode', 2, 2, true, async () => (await ports()).setFrags],
  ['probe', 'target', 1, 1, false, async () => (await echo()).probe],
  ['ping', 'target [n]', 1, 2, false, async () => (await echo()).ping],
  ['benchmark', 'target n count', 3, 3, false, async () => (await echo()).benchmark],
  ['dump-ipfix-bridge', 'switch', 1, 1, false, async () => (await show()).dumpIpfixBridge],
  ['dump-ipfix-flow', 'switch', 1, 1, false, async () => (await show()).dumpIpfixFlow],
  ['ct-flush-zone', 'switch zone', 2, 2, true, async () => (await ports()).ctFlushZone],
  ['ct-flush', 'switch [zone=N] [ct-orig-tuple [ct-reply-tuple]]', 1, 4, true, async () => (await ct()).ctFlush],
  ['ofp-parse', 'file', 1, 1, false, async () => (await files()).ofpParse],
  ['ofp-parse-pcap', 'pcap', 1, ANY, false, async () => (await files()).ofpParsePcap],
  ['add-group', 'switch group', 1, 2, true, async () => (await groups()).addGroup],
  ['add-groups', 'switch file', 2, 2, true, async () => (await groups()).addGroups],
  ['mod-group', 'switch group', 1, 2, true, async () => (await groups()).modGroup],
  ['del-groups', 'switch [group]', 1, 2, true, async () => (await groups()).delGroups],
  ['insert-buckets', 'switch [group]', 1, 2, true, async () => (await groups()).insertBuckets],
  ['remove-buckets', 'switch [group]', 1, 2, true, async () => (await groups()).removeBuckets],
  ['dump-groups', 'switch [group]', 1, 2, false, async () => (await show()).dumpGroups],
  ['dump-group-stats', 'switch [group]', 1, 2, false, async () => (await groups()).dumpGroupStats],
  ['dump-group-features', 'switch', 1, 1, false, async () => (await show()).dumpGroupFeatures],
  ['bundle', 'switch file', 2, 2, true, async () => (await groups()).bundle],
  ['add-tlv-map', 'switch map', 2, 2, true, async () => (await tlv()).addTlvMap],
  ['del-tlv-map', 'switch [map]', 1, 2, true, async () => (await tlv()).delTlvMap],
  ['dump-tlv-map', 'switch', 1, 1, false, async () => (await tlv()).dumpTlvMap],
  ['help', '', 0, ANY, false, async () => (await help()).help],
  ['list-commands', '', 0, ANY, false, async () => () => listCommands()],
  ['parse-flow', '', 1, 1, false, async () => (await tests()).parseFlow],
  ['parse-flows', '', 1, 1, false, async () => (await tests()).parseFlows],
  ['parse-group', '', 1, 1, false, async () => (await tests()).parseGroup],
  ['parse-nx-match', '', 0, 0, false, async () => (await tests()).parseNxm],
  ['parse-nxm', '', 0, 0, false, async () => (await tests()).parseNxm],
  ['parse-oxm', '', 1, 1, false, async () => (await tests()).parseOxm],
  ['parse-actions', '', 1, 1, false, async () => (await tests()).parseActionsCommand],
  ['parse-instructions', '', 1, 1, false, async () => (await tests()).parseInstructionsCommand],
  ['parse-ofp10-match', '', 0, 0, false, async () => (await tests()).parseOfp10],
  ['parse-ofp11-match', '', 0, 0, false, async () => (await tests()).parseOfp11],
  ['parse-pcap', '', 1, ANY, false, async () => (await packets()).parsePcapCommand],
  ['check-vlan', '', 2, 2, false, async () => (await tests()).checkVlan],
  ['print-error', '', 1, 1, false, async () => (await tests()).printErrorCommand],
  ['encode-error-reply', '', 2, 2, false, async () => (await tests()).encodeErrorReply],
  ['ofp-print', '', 1, 2, false, async () => (await files()).ofpPrint],
  ['encode-hello', '', 1, 1, false, async () => (await tests()).encodeHello],
  ['parse-key-value', '', 1, ANY, false, async () => (await tests()).parseKeyValue],
  ['compose-packet', '', 1, 2, false, async () => (await packets()).composePacket],
  ['parse-packet', '', 0, 0, false, async () => (await packets()).parsePacket],
];

export const COMMANDS: readonly Command[] = ROWS.map(([name, usage, min, max, writes, load]) => ({
  name,
  usage,
  min,
  max,
  writes,
  load,
}));

function listCommands(): number {
  const lines = COMMANDS.map(({ name, usage }) => `  ${name.padEnd(23)} ${usage}\n`);
  print(`The available commands are:\n${lines.join('')}`);
  return 0;
}
