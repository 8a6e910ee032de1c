/** ovs-tcpundump(1): `tcpdump -xx` output as one line of hex digits per packet, for ofproto/trace. */
import { readFileSync } from 'node:fs';
import { HeddleError } from '@heddle/runtime/errors';
import { print } from '@heddle/runtime/stdio';
import { runFilter } from '../ovs-pcap/filter-options.ts';

const PROGRAM = 'ovs-tcpundump';
const USAGE = `print "tcpdump -xx" output as hex
usage: ${PROGRAM} < FILE
where FILE is output from "tcpdump -xx".
`;

/** An offset, then words of one or two bytes; what else is on the line is text. */
const DATA = /^\s+0x([0-9a-fA-F]+): ((?: [0-9a-fA-F]{2,4})+)/;

export function main(argv: readonly string[]): number {
  return runFilter(PROGRAM, USAGE, argv, (args) => {
    if (args.length > 0) {
      throw new HeddleError('non-option argument not supported (use --help for help)');
    }
    print(undump(readFileSync(0, 'latin1')));
  });
}

/** A packet ends at a line without data, and before offset 0. */
function undump(text: string): string {
  const packets = [''];
  for (const line of text.split('\n')) {
    const [, offset = '', data] = DATA.exec(line) ?? [];
    if (data === undefined || Number.parseInt(offset, 16) === 0) packets.push('');
    if (data !== undefined) packets.push(packets.pop() + data.replaceAll(' ', ''));
  }
  return packets.flatMap((packet) => (packet === '' ? [] : [`${packet}\n`])).join('');
}
