/** Output and its kin in text. */
import {
  OFPP_ALL,
  OFPP_CONTROLLER,
  OFPP_FLOOD,
  OFPP_IN_PORT,
  OFPP_LOCAL,
  OFPP_MAX,
  OFPP_NORMAL,
} from '../constants.ts';
import { parsePort } from '../match/ofp-port.ts';
import type { HashFields, OfpAct } from '../ofp-actions.ts';
import { BUNDLE_MAX_MEMBERS, HASH_FIELDS, MULTIPATH_ALGORITHMS } from './parse-bundle.ts';
import { OFPR_ACTION } from './parse-controller.ts';
import type { ParseAct, TextContext } from './text-context.ts';
import { KeyValueScanner, tokens } from './text-scan.ts';
import { atoi, fail, parseHexBytes, parseSubfield, parseU16, parseU32 } from './text-values.ts';

/** By number; what Open vSwitch has for misses inside has no name. */
export const PACKET_IN_REASONS: readonly string[] = [
  'no_match',
  'action',
  'invalid_ttl',
  'action_set',
  'group',
  'packet_out',
  '',
  '',
];

function parseOutput(c: TextContext, value: string) {
  const { ports } = c.options;
  if (value.includes('port') && value.includes('max_len')) return parseTrunc(c, value);
  const port = parsePort(value, ports);
  if (port !== undefined) {
    c.push({ type: 'output', port, maxLen: port === OFPP_CONTROLLER ? 0xffff : 0 });
    return;
  }
  let src: ReturnType<typeof parseSubfield>;
  try {
    src = parseSubfield(value);
  } catch {
    fail(`${value}: output to unknown port`);
  }
  c.push({ type: 'output_reg', src, maxLen: 0xffff });
}

function parseTrunc(c: TextContext, value: string): void {
  const scan = new KeyValueScanner(value);
  let port = 0;
  let portText = '';
  let maxLen = 0;
  while (scan.next()) {
    if (scan.key === 'port') {
      portText = scan.value;
      port =
        parsePort(scan.value, c.options.ports) ??
        fail(`output to unknown truncate port: ${scan.value}`);
    } else if (scan.key === 'max_len') {
      maxLen = parseU32(scan.value);
    } else {
      fail(`invalid key '${scan.key}' in output_trunc argument`);
    }
  }
  if (port >= OFPP_MAX && port !== OFPP_IN_PORT && port !== OFPP_LOCAL) {
    fail(`output to unsupported truncate port: ${portText}`);
  }
  if (maxLen < 14) fail(`max_len ${maxLen} is less than the minimum value 14`);
  c.push({ type: 'output_trunc', port, maxLen });
}

const reserved =
  (port: number): ParseAct =>
  (c) =>
    c.push({ type: 'output', port, maxLen: 0 });

function parseController(c: TextContext, value: string): void {
  if (value === '' || /^\d+$/.test(value)) {
    const maxLen = value === '' ? 0xffff : parseU16(value, 'max_len');
    c.push({ type: 'output', port: OFPP_CONTROLLER, maxLen });
    return;
  }
  const scan = new KeyValueScanner(value);
  let act: Extract<OfpAct, { type: 'controller' }> = {
    type: 'controller',
    maxLen: 0xffff,
    controllerId: 0,
    reason: OFPR_ACTION,
  };
  let hex = '';
  while (scan.next()) {
    if (scan.key === 'userdata') hex = scan.value;
    else act = { ...act, ...controllerOption(scan.key, scan.value) };
  }
  // As upstream's, the last one, and when all other words have been judged.
  if (hex !== '') {
    const userdata = parseHexBytes(hex, "`controller' action `userdata'");
    act = { ...act, userdata };
  }
  const { maxLen, controllerId, reason, userdata, pause, meter } = act;
  const plain = reason === OFPR_ACTION && controllerId === 0 && !pause && meter === undefined;
  if (plain && !userdata) c.push({ type: 'output', port: OFPP_CONTROLLER, maxLen });
  else c.push(act);
}

function controllerOption(key: string, value: string) {
  switch (key) {
    case 'reason': {
      const reason = value === '' ? -1 : PACKET_IN_REASONS.indexOf(value);
      if (reason < 0) fail(`unknown reason "${value}"`);
      return { reason };
    }
    case 'max_len':
      return { maxLen: parseU16(value, 'max_len') };
    case 'id':
      return { controllerId: parseU16(value, 'id') };
    case 'pause':
      return { pause: true };
    case 'meter_id':
      return { meter: parseU32(value) };
    default:
      return fail(`unknown key "${key}" parsing controller action`);
  }
}

function parseEnqueue(c: TextContext, value: string): void {
  const [port, queue] = token(value, ':,');
  if (port === undefined || queue === '') {
    fail('"enqueue" syntax is "enqueue:PORT:QUEUE" or "enqueue(PORT,QUEUE)"');
  }
  const number = parsePort(port, c.options.ports);
  if (number === undefined) fail(`${port}: enqueue to unknown port`);
  c.push({ type: 'enqueue', port: number, queue: parseU32(queue) });
}

/** strtok(3): the next piece up to one of `separators`, and the rest behind it. */
function token(rest: string, separators: string): [piece: string | undefined, rest: string] {
  let p = 0;
  while (p < rest.length && separators.includes(rest[p]!)) p++;
  if (p === rest.length) return [undefined, ''];
  let q = p;
  while (q < rest.length && !separators.includes(rest[q]!)) q++;
  return [rest.slice(p, q), rest.slice(q + 1)];
}

function hashFields(name: string, whole: string): HashFields {
  if (!HASH_FIELDS.includes(name as HashFields)) fail(`${whole}: unknown fields \`${name}'`);
  return name as HashFields;
}

function parseBundle(load: boolean): ParseAct {
  return (c, value) => {
    const words: (string | undefined)[] = [];
    let rest = value;
    for (let i = 0; i < (load ? 5 : 4); i++) {
      const [word, more] = token(rest, ', ');
      words.push(word);
      rest = more;
    }
    const [delimiter, members] = token(rest, ': ');
    const [fields, basis, algorithm, memberType, dst] = words;
    if (delimiter === undefined) fail(`${value}: not enough arguments to bundle action`);
    if (delimiter !== 'members' && delimiter !== 'slaves') {
      fail(`${value}: missing member delimiter, expected \`members', got \`${delimiter}'`);
    }
    const ports = bundleMembers(c, members, value);
    const hash = hashFields(fields!, value);
    if (algorithm !== 'active_backup' && algorithm !== 'hrw') {
      fail(`${value}: unknown algorithm \`${algorithm}'`);
    }
    if (memberType !== 'ofport') fail(`${value}: unknown member_type \`${memberType}'`);
    c.push({
      type: 'bundle',
      fields: hash,
      basis: atoi(basis!) & 0xffff,
      algorithm,
      members: ports,
      ...(load && { dst: parseSubfield(dst!) }),
    });
  };
}

function bundleMembers(c: TextContext, text: string, whole: string): number[] {
  const members = tokens(text, /[, [\]]+/).map(
    (word) => parsePort(word, c.options.ports) ?? fail(`${word}: bad port number`),
  );
  if (members.length > BUNDLE_MAX_MEMBERS) fail(`${whole}: too many members`);
  return members;
}

function parseMultipath(c: TextContext, value: string): void {
  const [fields, basis, algorithm, nLinks, arg, dst] = tokens(value, /[, ]+/);
  if (dst === undefined) fail(`${value}: not enough arguments to multipath action`);
  const hash = hashFields(fields!, value);
  const alg = MULTIPATH_ALGORITHMS.find((name) => name === algorithm);
  if (!alg) fail(`${value}: unknown algorithm \`${algorithm}'`);
  const links = atoi(nLinks!);
  if (links < 1 || links > 65536) {
    fail(`${value}: n_links ${links} is not in valid range 1 to 65536`);
  }
  const to = parseSubfield(dst);
  if (to.nBits < 16 && links > 2 ** to.nBits) {
    const values = `has ${2 ** to.nBits} possible values, less than specified n_links ${links}`;
    fail(`${value}: ${to.nBits}-bit destination field ${values}`);
  }
  c.push({
    type: 'multipath',
    fields: hash,
    basis: atoi(basis!) & 0xffff,
    algorithm: alg,
    maxLink: links - 1,
    arg: atoi(arg!) >>> 0,
    dst: to,
  });
}

export const OUTPUT_PARSERS: readonly (readonly [string, ParseAct])[] = [
  ['output', parseOutput],
  ['controller', parseController],
  ['enqueue', parseEnqueue],
  ['bundle', parseBundle(false)],
  ['bundle_load', parseBundle(true)],
  ['multipath', parseMultipath],
  ['group', (c, value) => c.push({ type: 'group', group: parseU32(value) })],
  ['normal', reserved(OFPP_NORMAL)],
  ['flood', reserved(OFPP_FLOOD)],
  ['all', reserved(OFPP_ALL)],
  ['local', reserved(OFPP_LOCAL)],
  ['in_port', reserved(OFPP_IN_PORT)],
];
