/** Groups in text, as `ovs-ofctl add-group` and its kin take them (ovs-ofctl(8), "Group Syntax"). */
import type { Field } from '@heddle/packet';
import { fieldByName } from '@heddle/packet';
import { readUint } from '../actions/byte-writer.ts';
import { parseActionsAndProtocols } from '../actions/index.ts';
import type { TableNames } from '../actions/table-names.ts';
import { KeyValueScanner } from '../actions/text-scan.ts';
import { fail, parseU16, parseU32, parseU64 } from '../actions/text-values.ts';
import { OFPG_ALL, OFPG_ANY, OFPG_MAX, OFPP_MAX, OFPP_NONE } from '../constants.ts';
import { parseFieldText } from '../match/field-text.ts';
import { setMatchField } from '../match/match-field.ts';
import { type PortNames, parsePort } from '../match/ofp-port.ts';
import {
  OFPUTIL_P_ANY,
  OFPUTIL_P_OF10_ANY,
  OFPUTIL_P_OF15_UP,
  type Protocols,
} from '../match/protocols.ts';
import { Match } from '../match.ts';
import type { Bucket, GroupCommand, GroupMod, GroupProps, GroupType } from '../messages.ts';

export interface GroupTextOptions {
  readonly ports?: PortNames | undefined;
  readonly tables?: TableNames | undefined;
}

export interface ParsedGroupMod {
  readonly groupMod: GroupMod;
  /** Flow formats that can carry it. */
  readonly protocols: Protocols;
}

const OFPG15_BUCKET_MAX = 0xffff_ff00;
const OFPG15_BUCKET_FIRST = 0xffff_fffd;
const OFPG15_BUCKET_LAST = 0xffff_fffe;
const OFPG15_BUCKET_ALL = 0xffff_ffff;
const METHOD_MAX = 15;

const TYPES: Readonly<Record<string, GroupType>> = {
  all: 'all',
  select: 'select',
  indirect: 'indirect',
  ff: 'ff',
  fast_failover: 'ff',
};

/** What each command may say. */
const ALLOWED: Readonly<Record<GroupCommand, { type: boolean; bucket: boolean; id: boolean }>> = {
  add: { type: true, bucket: true, id: false },
  modify: { type: true, bucket: true, id: false },
  add_or_mod: { type: true, bucket: true, id: false },
  delete: { type: false, bucket: false, id: false },
  insert_bucket: { type: false, bucket: true, id: true },
  remove_bucket: { type: false, bucket: false, id: true },
};

/** Errors are ovs-ofctl's, as HeddleError. */
export function parseGroupMod(
  text: string,
  command: GroupCommand,
  options: GroupTextOptions = {},
): ParsedGroupMod {
  const parser = new GroupTextParser(command, options);
  return parser.parse(text);
}

const PREFIXES: readonly GroupCommand[] = [
  'add_or_mod',
  'add',
  'delete',
  'insert_bucket',
  'modify',
  'remove_bucket',
];

/** A line of a file, which may begin with its command; `fallback` where it does not. */
export function parseGroupModLine(
  line: string,
  fallback: GroupCommand = 'add',
  options: GroupTextOptions = {},
): ParsedGroupMod {
  const text = line.replace(/^[ \t\r\n]+/, '');
  for (const command of PREFIXES) {
    if (!text.startsWith(command)) continue;
    const next = text[command.length];
    if (next === undefined || /[\s,]/.test(next)) {
      return parseGroupMod(text.slice(command.length), command, options);
    }
  }
  return parseGroupMod(text, fallback, options);
}

class GroupTextParser {
  readonly #command: GroupCommand;
  readonly #options: GroupTextOptions;
  #protocols: Protocols = OFPUTIL_P_ANY;
  #groupId: number | undefined;
  #type: GroupType | undefined;
  #bucketId: number | undefined;
  #method = '';
  #methodParam: bigint | undefined;
  readonly #fields: { field: Field; mask: bigint }[] = [];

  constructor(command: GroupCommand, options: GroupTextOptions) {
    this.#command = command;
    this.#options = options;
    if (command === 'remove_bucket') this.#protocols = OFPUTIL_P_OF10_ANY | OFPUTIL_P_OF15_UP;
  }

  parse(text: string): ParsedGroupMod {
    const [head = '', ...bucketTexts] = splitBuckets(text);
    const allowed = ALLOWED[this.#command];
    if (bucketTexts.length > 0 && !allowed.bucket) fail('bucket is not needed');
    const scan = new KeyValueScanner(head);
    while (scan.next()) this.#keyword(scan.key, scan.value);
    this.#finish();
    const buckets = numbered(bucketTexts.map((bucket) => this.#bucket(bucket)));
    if (this.#type === 'indirect' && buckets.length > 1) {
      fail('Indirect groups can have at most one bucket.');
    }
    const groupMod: GroupMod = {
      command: this.#command,
      groupType: this.#type ?? 'all',
      groupId: this.#groupId!,
      ...(this.#bucketId !== undefined && { commandBucketId: this.#bucketId }),
      buckets,
      props: this.#props(),
    };
    return { groupMod, protocols: this.#protocols };
  }

  #keyword(key: string, value: string): void {
    const allowed = ALLOWED[this.#command];
    switch (key) {
      case 'command_bucket_id':
        if (!allowed.id) fail('command bucket id is not needed');
        this.#bucketId = this.#parseCommandBucket(value);
        return;
      case 'group_id':
        this.#groupId = value === 'all' ? OFPG_ALL : parseU32(value);
        if (this.#groupId > OFPG_MAX && this.#groupId !== OFPG_ALL) {
          fail(`invalid group id ${this.#groupId}`);
        }
        return;
      case 'type':
        if (!allowed.type) fail('type is not needed');
        this.#type = TYPES[value] ?? fail(`invalid group type ${value}`);
        return;
      case 'selection_method':
        if (!allowed.type) fail('selection method is not needed');
        if (value.length > METHOD_MAX) fail('selection method is longer than 15 bytes long');
        this.#method = value;
        return;
      case 'selection_method_param':
        if (!allowed.type) fail('selection method param is not needed');
        this.#methodParam = parseU64(value);
        return;
      case 'fields':
        if (!allowed.type) fail('fields are not needed');
        this.#parseFields(value);
        return;
      default:
        fail(`unknown keyword ${key}`);
    }
  }

  #parseCommandBucket(value: string): number {
    const isInsert = this.#command === 'insert_bucket';
    if (value === 'all') {
      if (isInsert) fail('command_bucket_id=all is not permitted');
      return OFPG15_BUCKET_ALL;
    }
    if (value === 'first') return OFPG15_BUCKET_FIRST;
    if (value === 'last') return OFPG15_BUCKET_LAST;
    const id = parseU32(value);
    if (id > OFPG15_BUCKET_MAX) fail(`invalid command bucket id ${id}`);
    return id;
  }

  /** `field` or `field=mask`, each once. */
  #parseFields(text: string): void {
    const scan = new KeyValueScanner(text);
    while (scan.next()) {
      const field = fieldByName(scan.key);
      if (!field) fail(`${scan.value}: unknown field ${scan.key}`);
      if (this.#fields.some((f) => f.field === field)) fail(`${scan.key}: duplicate field`);
      const whole = (1n << BigInt(field.width)) - 1n;
      const parsed =
        scan.value === '' ? undefined : parseFieldText(field, scan.value, this.#options.ports);
      const mask = parsed ? readUint(parsed.value, 0, parsed.value.length) : whole;
      this.#fields.push({ field, mask });
    }
  }

  #finish(): void {
    if (this.#groupId === undefined) {
      if (this.#command !== 'delete') fail('must specify a group_id');
      this.#groupId = OFPG_ALL;
    }
    const allowed = ALLOWED[this.#command];
    if (allowed.type && this.#type === undefined) fail('must specify a type');
    if (this.#command === 'insert_bucket' && this.#bucketId === undefined) {
      fail('must specify a command bucket id');
    }
    if (this.#command === 'remove_bucket') this.#bucketId ??= OFPG15_BUCKET_ALL;
    if (this.#method === '' && this.#methodParam !== undefined) {
      fail('selection_method_param is only allowed with "selection_method"');
    }
    if (this.#method !== 'hash' && this.#fields.length > 0) {
      fail('fields may only be specified with "selection_method=hash"');
    }
  }

  #props(): GroupProps {
    let fields: Match | undefined;
    if (this.#fields.length > 0) {
      fields = new Match();
      for (const { field, mask } of this.#fields) setMatchField(fields, field, mask, mask);
    }
    return {
      selectionMethod: this.#method,
      selectionMethodParam: this.#methodParam ?? 0n,
      fields,
      ...(this.#fields.length > 0 && { fieldArray: this.#fields }),
    };
  }

  #bucket(text: string): BucketText {
    let bucketId: number | undefined;
    let weight: number | undefined;
    let watchPort: number = OFPP_NONE;
    let watchGroup: number = OFPG_ANY;
    const acts: string[] = [];
    const scan = new KeyValueScanner(text);
    while (scan.next()) {
      const { key, value } = scan;
      if (key === 'weight') weight = parseU16(value, 'weight');
      else if (key === 'watch_port') watchPort = this.#watchPort(value);
      else if (key === 'watch_group') watchGroup = parseWatchGroup(value);
      else if (key === 'bucket_id') bucketId = parseBucketId(value);
      else if (key === 'action' || key === 'actions') acts.push(value);
      else acts.push(scan.word);
    }
    if (acts.length === 0) fail('bucket must specify actions');
    if (this.#type === 'ff' && watchPort === OFPP_NONE && watchGroup === OFPG_ANY) {
      fail('fast failover bucket requires watch_port or watch_group');
    }
    if (weight !== undefined && this.#type !== undefined && this.#type !== 'select') {
      fail('Only select groups can have bucket weights.');
    }
    const options = { ...this.#options, allowInstructions: false };
    const { actions, protocols } = parseActionsAndProtocols(acts.join(','), options);
    this.#protocols &= protocols;
    weight ??= this.#type === 'select' ? 1 : 0;
    return { bucketId, weight, watchPort, watchGroup, actions };
  }

  #watchPort(value: string): number {
    const port = parsePort(value, this.#options.ports);
    if (port === undefined || (port >= OFPP_MAX && port !== OFPP_NONE)) {
      fail(`${value}: invalid watch_port`);
    }
    return port;
  }
}

type BucketText = Omit<Bucket, 'bucketId'> & { readonly bucketId: number | undefined };

/** Buckets without an id get the first ones that are free. */
function numbered(buckets: readonly BucketText[]): Bucket[] {
  const used = new Set(buckets.map((bucket) => bucket.bucketId));
  let next = 0;
  return buckets.map((bucket) => {
    if (bucket.bucketId !== undefined) return { ...bucket, bucketId: bucket.bucketId };
    while (used.has(next)) next++;
    return { ...bucket, bucketId: next++ };
  });
}

function parseWatchGroup(value: string): number {
  const group = parseU32(value);
  if (group > OFPG_MAX && group !== OFPG_ANY) fail(`invalid watch_group id ${group}`);
  return group;
}

function parseBucketId(value: string): number {
  const id = parseU32(value);
  if (id > OFPG15_BUCKET_MAX) fail(`invalid bucket_id id ${id}`);
  return id;
}

/** What stands before the first `bucket=`, then each bucket. */
function splitBuckets(text: string): string[] {
  return text.split(/(?:^|[, \t]+)bucket=/);
}
