/** Flows in text, as `ovs-ofctl add-flow`, `mod-flows` and `del-flows` take them (ovs-ofctl(8), "Flow Syntax"). */
import {
  checkActionsProtocols,
  type ParsedActions,
  parseActionsAndProtocols,
} from '../actions/index.ts';
import { parseTable, type TableNames } from '../actions/table-names.ts';
import { KeyValueScanner } from '../actions/text-scan.ts';
import { fail, parseU16, parseU64 } from '../actions/text-values.ts';
import {
  OFP_DEFAULT_PRIORITY,
  OFP_NO_BUFFER,
  OFPG_ANY,
  OFPP_MAX,
  OFPP_NONE,
  OFPTT_ALL,
} from '../constants.ts';
import { OfpError } from '../errors.ts';
import { parseMatchField } from '../match/match-parse.ts';
import { normalizeMatch, normalizeMatchLogged } from '../match/normalize.ts';
import { type PortNames, parsePort } from '../match/ofp-port.ts';
import {
  ipv6Protocols,
  OFPUTIL_P_ANY,
  OFPUTIL_P_ANY_OXM,
  OFPUTIL_P_OF10_NXM_ANY,
  OFPUTIL_P_OF11_UP,
  OFPUTIL_P_OF13_UP,
  OFPUTIL_P_TID,
  type Protocols,
} from '../match/protocols.ts';
import { Match } from '../match.ts';
import type { FlowMod, FlowModCommand, FlowModFlags } from '../messages.ts';
import type { OfpAct } from '../ofp-actions.ts';
import { parseGroupId } from './group-id.ts';
import { parseMatchSubfield } from './match-subfield.ts';

export interface FlowTextOptions {
  readonly ports?: PortNames | undefined;
  readonly tables?: TableNames | undefined;
  /** Whose memory the match may take: who parses the next line is done with the last. */
  readonly into?: Match;
  /** What normalization changes is not logged: the line has been read before. */
  readonly isAgain?: boolean;
  /** Lists of actions by their text, for the lines that follow: flows have few different ones. */
  readonly memo?: Map<string, ParsedActions>;
  /** For deletions: the line may be of a flow with actions, as `replace-flows` gives. */
  readonly allowActions?: boolean;
}

export interface ParsedFlowMod {
  readonly flowMod: FlowMod;
  /** Flow formats that can carry it. */
  readonly protocols: Protocols;
  /** The match said more than it can, of which the log was told. */
  readonly isNormalized: boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Errors are ovs-ofctl's, as HeddleError. */
export function parseFlowMod(
  line: string,
  command: FlowModCommand,
  options: FlowTextOptions = {},
): ParsedFlowMod {
  return new FlowTextParser(command, options).parse(line);
}

const LETTER_A = 0x61;
const LETTER_D = 0x64;
const LETTER_M = 0x6d;
/** Commands, which begin with one of these letters. */
const PREFIXES: readonly (readonly [string, FlowModCommand])[] = [
  ['add', 'add'],
  ['delete_strict', 'delete_strict'],
  ['delete', 'delete'],
  ['modify_strict', 'modify_strict'],
  ['modify', 'modify'],
];

/** A line of a file, which may begin with its command; `add` is what `add-flows` assumes. */
export function parseFlowModLine(line: string, options: FlowTextOptions = {}): ParsedFlowMod {
  const text = /^[ \t\r\n]/.test(line) ? line.replace(/^[ \t\r\n]+/, '') : line;
  const first = text.charCodeAt(0);
  if (first !== LETTER_A && first !== LETTER_D && first !== LETTER_M) {
    return parseFlowMod(text, 'add', options);
  }
  for (const [word, command] of PREFIXES) {
    if (!text.startsWith(word)) continue;
    const next = text[word.length];
    if (next === undefined || /[\s,]/.test(next)) {
      return parseFlowMod(text.slice(word.length), command, options);
    }
  }
  return parseFlowMod(text, 'add', options);
}

const PREREQUISITE_FLAGS: Readonly<Record<string, readonly [keyof FlowModFlags, Protocols]>> = {
  send_flow_rem: ['sendFlowRem', OFPUTIL_P_ANY],
  check_overlap: ['checkOverlap', OFPUTIL_P_ANY],
  reset_counts: ['resetCounts', OFPUTIL_P_ANY_OXM],
  no_packet_counts: ['noPktCounts', OFPUTIL_P_OF13_UP],
  no_byte_counts: ['noByteCounts', OFPUTIL_P_OF13_UP],
};

const MOST_MEMOS = 1024;

/** What other tools print of a flow and no command changes. */
const IGNORED = new Set(['duration', 'n_packets', 'n_bytes', 'idle_age', 'hard_age']);
const IGNORED_FLAGS = new Set(['no_readonly_table', 'allow_hidden_fields']);

class FlowTextParser {
  readonly #command: FlowModCommand;
  readonly #options: FlowTextOptions;
  readonly #match: Match;
  readonly #mod: Mutable<FlowMod>;
  readonly #flags: Mutable<FlowModFlags> = {
    sendFlowRem: false,
    checkOverlap: false,
    resetCounts: false,
    noPktCounts: false,
    noByteCounts: false,
    emerg: false,
  };
  #protocols: Protocols = OFPUTIL_P_ANY;
  /** The cookie as it stands there. */
  #cookieText = '';

  constructor(command: FlowModCommand, options: FlowTextOptions) {
    this.#command = command;
    this.#options = options;
    this.#match = options.into?.recycle() ?? new Match();
    this.#mod = {
      command,
      match: this.#match,
      priority: OFP_DEFAULT_PRIORITY,
      cookie: 0n,
      cookieMask: 0n,
      newCookie: command === 'add' ? 0n : undefined,
      tableId: OFPTT_ALL,
      idleTimeout: 0,
      hardTimeout: 0,
      bufferId: OFP_NO_BUFFER,
      outPort: OFPP_NONE,
      outGroup: OFPG_ANY,
      flags: this.#flags,
      importance: 0,
      actions: [],
    };
  }

  get #isDelete(): boolean {
    return this.#command === 'delete' || this.#command === 'delete_strict';
  }

  parse(line: string): ParsedFlowMod {
    const hasActions = !this.#isDelete;
    const at = hasActions || this.#options.allowActions ? line.indexOf('action') : -1;
    let actionText: string | undefined;
    if (at >= 0) {
      const equals = line.indexOf('=', at);
      if (equals < 0) fail('must specify an action');
      actionText = line.slice(equals + 1);
    } else if (hasActions) {
      fail('must specify an action');
    }
    const scan = new KeyValueScanner(at >= 0 ? line.slice(0, at) : line);
    while (scan.next()) this.#keyword(scan.key, scan.value);
    this.#protocols &= ipv6Protocols(this.#match);
    if (this.#command === 'add' && this.#mod.cookieMask !== 0n) {
      fail('flow additions cannot use a cookie mask');
    }
    if (this.#isDelete && this.#mod.newCookie !== undefined) {
      const hint = `cookie=${this.#cookieText}/-1`;
      fail(`cannot set cookie (to match on a cookie, specify a mask, e.g. ${hint})`);
    }
    // As in OpenFlow 1.0, what says nothing of cookies gives 0, also to a flow that it adds.
    if (!this.#isDelete && this.#mod.cookieMask === 0n) this.#mod.newCookie ??= 0n;
    if (actionText !== undefined && hasActions) this.#actions(actionText);
    return { flowMod: this.#mod, protocols: this.#protocols, isNormalized: this.#normalize() };
  }

  #normalize(): boolean {
    if (this.#match.mask.vlanTci0 === 0 && !needsNormal(this.#match)) return false;
    return this.#options.isAgain ? normalizeMatch(this.#match) : normalizeMatchLogged(this.#match);
  }

  #keyword(key: string, value: string): void {
    const flag = PREREQUISITE_FLAGS[key];
    if (flag && !this.#isDelete) {
      this.#flags[flag[0]] = true;
      this.#protocols &= flag[1];
      return;
    }
    if (IGNORED_FLAGS.has(key)) return;
    if (value !== '' && this.#property(key, value)) return;
    if (key.includes('[')) {
      this.#protocols &= parseMatchSubfield(this.#match, key, value);
      return;
    }
    const protocols = parseMatchField(
      this.#match,
      key,
      value === '' ? '0/0' : value,
      this.#options.ports,
    );
    if (protocols !== undefined) {
      this.#protocols &= protocols;
      return;
    }
    if (value === '') fail(`field ${key} missing value`);
    if (!IGNORED.has(key)) fail(`unknown keyword ${key}`);
  }

  /** False for what is none, or none of this command's. */
  #property(key: string, value: string): boolean {
    const mod = this.#mod;
    const isStrictOrAdd = this.#command !== 'delete';
    switch (key) {
      case 'table':
        mod.tableId = parseTable(value, this.#options.tables) ?? fail(`unknown table "${value}"`);
        if (mod.tableId !== OFPTT_ALL) this.#protocols &= OFPUTIL_P_TID;
        return true;
      case 'priority':
        if (isStrictOrAdd) mod.priority = parseU16(value, key);
        return isStrictOrAdd;
      case 'cookie':
        this.#cookie(value);
        return true;
      case 'idle_timeout':
        if (!this.#isDelete) mod.idleTimeout = parseU16(value, key);
        return !this.#isDelete;
      case 'hard_timeout':
        if (!this.#isDelete) mod.hardTimeout = parseU16(value, key);
        return !this.#isDelete;
      case 'importance':
        if (this.#command === 'add') mod.importance = parseU16(value, key);
        return this.#command === 'add';
      case 'out_port':
        if (!this.#isDelete) return false;
        mod.outPort =
          parsePort(value, this.#options.ports) ?? fail(`${value} is not a valid OpenFlow port`);
        return true;
      case 'out_group':
        if (!this.#isDelete) return false;
        this.#protocols &= OFPUTIL_P_OF11_UP;
        mod.outGroup = parseGroupId(value) ?? fail(`${value} is not a valid OpenFlow group`);
        return true;
      default:
        return false;
    }
  }

  /** With a mask it selects flows, without one it is given to them. */
  #cookie(text: string): void {
    const slash = text.indexOf('/');
    const mod = this.#mod;
    if (slash < 0) {
      mod.newCookie = parseU64(text);
      this.#cookieText = text;
      return;
    }
    if (this.#command === 'add') fail('flow additions cannot use a cookie mask');
    mod.cookieMask = parseU64(text.slice(slash + 1));
    mod.cookie = parseU64(text.slice(0, slash)) & mod.cookieMask;
    this.#protocols &= OFPUTIL_P_OF10_NXM_ANY | OFPUTIL_P_OF11_UP;
  }

  #actions(text: string): void {
    const { memo } = this.#options;
    const parsed = memo?.get(text) ?? parseActionsAndProtocols(text, this.#options);
    if (memo) {
      if (memo.size >= MOST_MEMOS) memo.clear();
      memo.set(text, parsed);
    }
    const { actions, protocols } = parsed;
    this.#protocols &= protocols;
    this.#mod.actions = this.#check(actions);
  }

  #check(actions: readonly OfpAct[]): readonly OfpAct[] {
    const context = {
      match: this.#match,
      tableId: this.#mod.tableId,
      nTables: 255,
      maxPorts: OFPP_MAX,
    };
    try {
      const checked = checkActionsProtocols(actions, context, this.#protocols);
      this.#protocols = checked.protocols;
      return checked.actions;
    } catch (e) {
      if (!(e instanceof OfpError)) throw e;
      return fail(`actions are invalid with specified match (${e.ofpErr})`);
    }
  }
}

/** Whether normalization might change it: it reaches beyond Ethernet. */
function needsNormal({ mask }: Match): boolean {
  return (
    (mask.dlType | mask.nwSrc | mask.nwDst | mask.nwProto | mask.tpSrc | mask.tpDst) !== 0 ||
    mask.packetType !== 0
  );
}
