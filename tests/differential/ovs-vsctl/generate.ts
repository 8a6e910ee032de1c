/** Random command lines, from the table of commands and the schema, about what is there. */
import type { ColumnSchema, TableSchema } from '@heddle/ovsdb';
import type { Random } from '@heddle/testing/random';
import { SCHEMA } from '../../../packages/cli/src/ovs-vsctl/schema.ts';
import type { Contents } from './world.ts';

/** Columns that the switch writes, at a time of its own. */
const SWITCHS_COLUMNS = new Set(['Open_vSwitch.cur_cfg', 'Open_vSwitch.next_cfg']);
/** Columns that the distribution's schema does not have, or has in another form. */
const NEW_COLUMNS = new Set([
  ...['CT_Zone.limit', 'Datapath.ct_zone_default_limit', 'IPFIX.stats_interval'],
  ...[
    'IPFIX.template_interval',
    'Flow_Sample_Collector_Set.local_group_id',
    'Mirror.filter',
    'Flow_Table.prefixes',
  ],
]);
const NAMES = ['b0', 'b1', 'b2', 'fk', 'f2', 'p1', 'p2', 'p3', 'e1', 'e2', 'x/y', 'true', 'q q'];
const WORDS = ['a', 'b', 'c', 'hwaddr', 'k-1', '"q"', 'true', '5', 'x y', 'x=y', 'é', '{}', ''];
const ESCAPES = [
  '"a b"',
  '"\\n"',
  '"\\q"',
  '"x',
  'a\\,b',
  'a\\ b',
  '\\"a\\"',
  'a\\q',
  'a\\',
  '"a\\"b"',
];
const OPERATORS = [
  ...['=', '!=', '<', '>', '<=', '>=', '{=}', '{!=}', '{<}', '{>}', '{<=}', '{>=}'],
  ...['{in}', '{not-in}', '+=', '~'],
];
const TARGETS = [
  'tcp:1.2.3.4',
  'ssl:5.6.7.8:6633',
  'unix:/x',
  'punix:/y',
  'ptcp:',
  'none',
  'ptcp:1',
];
const TABLES = [...SCHEMA.tables.values()];

export class LineMaker {
  readonly #r: Random;
  #contents: Contents = new Map();
  #alone = true;

  constructor(random: Random) {
    this.#r = random;
  }

  line(contents: Contents): string[] {
    this.#contents = contents;
    const r = this.#r;
    const words: string[] = r.chance(0.9) ? ['--no-wait'] : [];
    if (r.chance(0.05)) words.push('--oneline');
    if (r.chance(0.05)) words.push('--dry-run');
    if (r.chance(0.1)) words.push('-f', r.pick(['table', 'list', 'csv', 'json', 'html']));
    if (r.chance(0.1)) words.push('-d', r.pick(['string', 'bare', 'json']));
    if (r.chance(0.05))
      words.push(r.pick(['--no-headings', '--pretty', '--bare', '--max-column-width=4']));
    const n = r.chance(0.7) ? 1 : 1 + r.below(4);
    this.#alone = n === 1;
    for (let i = 0; i < n; i++) words.push('--', ...this.#command());
    // Upstream's zone commands do not see what those before them did.
    if (r.chance(0.03)) return ['--no-wait', '--', ...this.#zoneCommand()];
    return words;
  }

  #command(): string[] {
    const r = this.#r;
    return r.pick([
      () => this.#bridgeCommand(),
      () => this.#portCommand(),
      () => this.#controlCommand(),
      () => this.#databaseCommand(),
      () => this.#databaseCommand(),
      () => this.#databaseCommand(),
    ])();
  }

  #bridgeCommand(): string[] {
    const r = this.#r;
    const b = () => this.#bridge();
    return r.pick([
      () => [...this.#maybe('--may-exist'), 'add-br', this.#name()],
      () => [...this.#maybe('--may-exist'), 'add-br', this.#name(), b(), this.#vlan()],
      () => [...this.#maybe('--if-exists'), 'del-br', b()],
      () => [...this.#maybe('--real'), ...this.#maybe('--fake'), 'list-br'],
      () => [r.pick(['br-exists', 'br-to-vlan', 'br-to-parent']), b()],
      () => ['br-set-external-id', b(), r.pick(WORDS), ...(r.chance(0.6) ? [r.pick(WORDS)] : [])],
      () => ['br-get-external-id', b(), ...(r.chance(0.5) ? [r.pick(WORDS)] : [])],
      () => [r.pick(['show', 'init', 'list-br'])],
    ])();
  }

  #portCommand(): string[] {
    const r = this.#r;
    const b = () => this.#bridge();
    const p = () => this.#name();
    const may = () => this.#maybe('--may-exist');
    const settings = () => (r.chance(0.4) ? [this.#setting(SCHEMA.tables.get('Port')!)] : []);
    return r.pick([
      () => [...may(), 'add-port', b(), p(), ...settings()],
      () => [...may(), 'add-port', b(), p(), ...settings()],
      () => [...may(), 'add-bond', b(), p(), p(), p(), ...settings()],
      () => [...may(), ...this.#maybe('--fake-iface'), 'add-bond', b(), p(), p(), ...settings()],
      () => [...this.#maybe('--if-exists'), ...this.#maybe('--with-iface'), 'del-port', p()],
      () => [...this.#maybe('--if-exists'), ...this.#maybe('--with-iface'), 'del-port', b(), p()],
      () => [r.pick(['list-ports', 'list-ifaces']), b()],
      () => [r.pick(['port-to-br', 'iface-to-br']), p()],
      () => [...may(), 'add-bond-iface', p(), p()],
      () => [...this.#maybe('--if-exists'), 'del-bond-iface', ...(r.chance(0.5) ? [p()] : []), p()],
    ])();
  }

  #controlCommand(): string[] {
    const r = this.#r;
    const b = () => this.#bridge();
    const targets = () => Array.from({ length: 1 + r.below(2) }, () => r.pick(TARGETS));
    const probe = () => (r.chance(0.2) ? [`--inactivity-probe=${r.pick(['5', 'x', '-3'])}`] : []);
    return r.pick([
      () => [r.pick(['get-controller', 'del-controller', 'get-fail-mode', 'del-fail-mode']), b()],
      () => [...probe(), 'set-controller', b(), ...targets()],
      () => ['set-fail-mode', b(), r.pick(['secure', 'standalone', 'x'])],
      () => [r.pick(['get-manager', 'del-manager', 'get-ssl', 'del-ssl', 'emer-reset'])],
      () => [...probe(), 'set-manager', ...targets()],
      () => [...this.#maybe('--bootstrap'), 'set-ssl', 'a', 'b', r.pick(WORDS)],
      () => [
        r.pick(['add-aa-mapping', 'del-aa-mapping']),
        b(),
        r.pick(['1', '2', '3x', 'x', '-1']),
        r.pick(['1', '5', '4096', '']),
      ],
      () => ['get-aa-mapping', b()],
      () => ['comment', r.pick(WORDS)],
      () => [
        '--id=@d',
        'create',
        'Datapath',
        'datapath_version=1',
        '--',
        'set',
        'Open_vSwitch',
        '.',
        'datapaths:system=@d',
      ],
    ])();
  }

  #zoneCommand(): string[] {
    const r = this.#r;
    // Nor are they sure whether two zones share a policy.
    const zone = r.below(4);
    return r.pick([
      () => [
        ...this.#maybe('--may-exist'),
        ...['add-zone-tp', 'system', `zone=${zone}`, `icmp_first=${zone}`],
      ],
      () => [...this.#maybe('--if-exists'), 'del-zone-tp', 'system', `zone=${zone}`],
      () => [r.pick(['list-zone-tp', 'list-dp-cap']), r.pick(['system', 'netdev'])],
    ])();
  }

  #databaseCommand(): string[] {
    const r = this.#r;
    const table = r.pick(TABLES);
    const t = this.#abbreviated(table.name);
    const rec = () => this.#record(table);
    const col = () => this.#abbreviated(this.#column(table).name, table);
    const many = (one: () => string) => Array.from({ length: r.below(3) }, one);
    const exists = () => this.#maybe('--if-exists');
    const columns = () => (r.chance(0.8) ? [`--columns=${[col(), ...many(col)].join(',')}`] : []);
    return r.pick([
      () => [...exists(), ...columns(), 'list', t, ...many(rec)],
      () => [...columns(), 'find', t, ...many(() => this.#condition(table))],
      () => [...exists(), 'get', t, rec(), ...many(() => this.#path(table))],
      () => [
        ...exists(),
        'set',
        t,
        rec(),
        this.#setting(table),
        ...many(() => this.#setting(table)),
      ],
      () => this.#add(table, t, rec()),
      () => this.#remove(table, t, rec()),
      () => [...exists(), 'clear', t, rec(), col(), ...many(col)],
      () => [...this.#id(), 'create', t, this.#setting(table), ...many(() => this.#setting(table))],
      () => [...exists(), ...(r.chance(0.1) ? ['--all'] : []), 'destroy', t, ...many(rec)],
      () => this.#reference(),
    ])();
  }

  /** A new row that something refers to. */
  #reference(): string[] {
    const r = this.#r;
    const [holder, column] = r.pick(
      TABLES.flatMap((t) =>
        t.columnList
          .filter((c) => (c.type.value ?? c.type.key).refTable)
          .map((c) => [t, c] as const),
      ),
    );
    const base = column.type.value ?? column.type.key;
    const target = SCHEMA.tables.get(base.refTable!)!;
    const value = column.type.value ? `${this.#atom(column.type.key)}=@r` : '@r';
    const create = ['--id=@r', 'create', target.name, this.#setting(target)];
    const rec = this.#record(holder);
    const use = r.chance(0.5)
      ? ['set', holder.name, rec, `${column.name}=${value}`]
      : ['add', holder.name, rec, column.name, value];
    // Upstream does not see through a reference to a row that comes later.
    return this.#alone && r.chance(0.5) ? [...use, '--', ...create] : [...create, '--', ...use];
  }

  #add(table: TableSchema, t: string, rec: string): string[] {
    const column = this.#column(table);
    const values = Array.from({ length: 1 + this.#r.below(2) }, () => this.#value(column));
    return [...this.#maybe('--if-exists'), 'add', t, rec, column.name, ...values];
  }

  #remove(table: TableSchema, t: string, rec: string): string[] {
    const column = this.#column(table);
    const keys = () => (this.#r.chance(0.5) ? this.#value(column) : this.#atom(column.type.key));
    const values = Array.from({ length: 1 + this.#r.below(2) }, keys);
    return [...this.#maybe('--if-exists'), 'remove', t, rec, column.name, ...values];
  }

  #id(): string[] {
    const r = this.#r;
    return r.chance(0.6) ? [] : [`--id=${r.pick(['@a', '@b', 'c', '', r.uuid()])}`];
  }

  #maybe(option: string): string[] {
    return this.#r.chance(0.3) ? [option] : [];
  }

  #named(table: string): string[] {
    return [...(this.#contents.get(table)?.values() ?? [])].map((row) => String(row['name']));
  }

  #bridge(): string {
    const r = this.#r;
    const known = [...this.#named('Bridge'), ...this.#named('Port')];
    return known.length > 0 && r.chance(0.8) ? r.pick(known) : r.pick(NAMES);
  }

  #name(): string {
    const r = this.#r;
    const known = [...this.#named('Port'), ...this.#named('Interface')];
    return known.length > 0 && r.chance(0.5) ? r.pick(known) : r.pick(NAMES);
  }

  #vlan(): string {
    return this.#r.pick(['0', '5', '20', '4095', '4096', '-1', '7x', 'x', '']);
  }

  #record(table: TableSchema): string {
    const r = this.#r;
    const rows = [...(this.#contents.get(table.name) ?? [])];
    if (rows.length > 0 && r.chance(0.85)) {
      const [uuid, row] = r.pick(rows);
      const name = row['name'] ?? row['target'];
      if (typeof name === 'string' && r.chance(0.7)) return name;
      return r.chance(0.8) ? uuid : uuid.slice(0, 4 + r.below(30));
    }
    return r.pick(['.', 'b0', 'p1', '@a', 'abcd', r.uuid(), this.#name()]);
  }

  #abbreviated(name: string, table?: TableSchema): string {
    const r = this.#r;
    const grown = [...NEW_COLUMNS].some((c) => c.startsWith(`${table?.name}.`));
    if (grown || r.chance(0.8)) return name;
    if (r.chance(0.2)) return `${name}x`;
    const cut = r.chance(0.5) ? name : name.slice(0, 1 + r.below(name.length));
    return r.chance(0.5) ? cut.toUpperCase() : cut.replaceAll('_', '-');
  }

  #column(table: TableSchema): ColumnSchema {
    const known = table.columnList.filter(({ name }) => {
      const path = `${table.name}.${name}`;
      return !NEW_COLUMNS.has(path) && !SWITCHS_COLUMNS.has(path);
    });
    return this.#r.pick(known);
  }

  #path(table: TableSchema): string {
    const r = this.#r;
    if (r.chance(0.1)) return '_uuid';
    const column = this.#column(table);
    const name = this.#abbreviated(column.name, table);
    return r.chance(column.type.value ? 0.7 : 0.05)
      ? `${name}:${this.#atom(column.type.key)}`
      : name;
  }

  #setting(table: TableSchema): string {
    const r = this.#r;
    const column = this.#column(table);
    const name = this.#abbreviated(column.name, table);
    if (r.chance(0.02)) return name;
    if (r.chance(column.type.value ? 0.6 : 0.03)) {
      return `${name}:${this.#atom(column.type.key)}=${this.#atom(column.type.value ?? column.type.key)}`;
    }
    return `${name}=${this.#value(column)}`;
  }

  #condition(table: TableSchema): string {
    const r = this.#r;
    const column = this.#column(table);
    const operator = r.pick(OPERATORS);
    if (column.type.value && r.chance(0.6)) {
      const value = this.#atom(column.type.value);
      return `${column.name}:${this.#atom(column.type.key)}${operator}${value}`;
    }
    return `${this.#abbreviated(column.name, table)}${operator}${this.#value(column)}`;
  }

  #value({ type }: ColumnSchema): string {
    const r = this.#r;
    if (r.chance(0.03)) return r.pick(['', '[]', '{}', '[', 'a=', '=', ',', 'x', '"', '[1]]']);
    const n = type.max === 1 ? (r.chance(0.9) ? 1 : 2) : r.below(4);
    const one = () =>
      type.value ? `${this.#key(type.key)}=${this.#atom(type.value)}` : this.#atom(type.key);
    const text = Array.from({ length: n }, one).join(r.pick([',', ' ', ', ']));
    if (n > 0 && r.chance(0.7)) return text;
    return type.value ? `{${text}}` : `[${text}]`;
  }

  /** Upstream's memory is damaged by a range of keys. */
  #key(base: ColumnSchema['type']['key']): string {
    const atom = this.#atom(base);
    return atom === '3-5' ? '4' : atom;
  }

  #atom(base: ColumnSchema['type']['key']): string {
    const r = this.#r;
    switch (base.type) {
      case 'integer':
        return r.pick([
          '0',
          '1',
          '5',
          '20',
          '63',
          '100',
          '1000',
          '4096',
          '-1',
          '3-5',
          'x',
          '70000',
        ]);
      case 'real':
        return r.pick(['0', '1.5', '-2', 'x']);
      case 'boolean':
        return r.pick(['true', 'false', 'yes', 'no', '1', 'maybe']);
      case 'string':
        if (base.enum && r.chance(0.9)) return String(r.pick(base.enum));
        return r.pick([...WORDS, ...NAMES, ...ESCAPES]);
      case 'uuid': {
        const rows = [...(this.#contents.get(base.refTable ?? '')?.keys() ?? [])];
        return rows.length > 0 && r.chance(0.7) ? r.pick(rows) : r.pick(['@z', 'x', r.uuid()]);
      }
    }
  }
}
