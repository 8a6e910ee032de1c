/** The load generator, a process of its own: `node load.ts JOB JSON` prints its findings as JSON. */
import { Channel } from './channel.ts';

type Job = Readonly<Record<string, unknown>> & { readonly socket: string };

const DB = 'Open_vSwitch';
const FILL = 1000;

/** As ovs-vsctl add-port, without the waits that guard against others. */
function addPort(bridge: string, name: string, durable: boolean): Buffer {
  const ops = [
    { op: 'insert', table: 'Interface', 'uuid-name': 'i', row: { name, type: 'internal' } },
    {
      op: 'insert',
      table: 'Port',
      'uuid-name': 'p',
      row: { name, interfaces: ['named-uuid', 'i'] },
    },
    {
      op: 'mutate',
      table: 'Bridge',
      where: [['name', '==', bridge]],
      mutations: [['ports', 'insert', ['set', [['named-uuid', 'p']]]]],
    },
    { op: 'mutate', table: DB, where: [], mutations: [['next_cfg', '+=', 1]] },
    { op: 'comment', comment: `ovs-vsctl: ovs-vsctl add-port ${bridge} ${name}` },
    ...(durable ? [{ op: 'commit', durable: true }] : []),
  ];
  return transact(ops);
}

function transact(ops: readonly unknown[]): Buffer {
  return Buffer.from(JSON.stringify({ id: 7, method: 'transact', params: [DB, ...ops] }));
}

function expectSuccess(reply: string, operations: number): void {
  const { result, error } = JSON.parse(reply) as { result: { error?: string }[]; error: unknown };
  if (error !== null || result.length !== operations || result.some((r) => r.error)) {
    throw new Error(reply.slice(0, 500));
  }
}

/** Requests per second: `clients` connections, each with `pipeline` requests under way. */
function rate(job: Job, requests: readonly Buffer[], operations: number): number {
  const clients = Number(job['clients'] ?? 1);
  const pipeline = Number(job['pipeline'] ?? 1);
  const channels = Array.from({ length: clients }, () => new Channel(job.socket));
  const batches: Buffer[] = [];
  for (let i = 0; i < requests.length; i += pipeline) {
    batches.push(Buffer.concat(requests.slice(i, i + pipeline)));
  }
  const warm = Math.min(clients, batches.length);
  const start = performance.now();
  for (let i = 0; i < warm; i++) channels[i]!.send(batches[i]!);
  let check = true;
  for (let i = 0; i < batches.length; i++) {
    const channel = channels[i % clients]!;
    // The first reply is read, the rest is counted.
    if (check && pipeline === 1) expectSuccess(channel.receive(), operations);
    else channel.skip(Math.min(pipeline, requests.length - i * pipeline));
    check = false;
    const next = batches[i + clients];
    if (next) channel.send(next);
  }
  return (requests.length * 1000) / (performance.now() - start);
}

const JOBS: Readonly<Record<string, (job: Job) => unknown>> = {
  setup({ socket }) {
    const bridges = ['br0', 'br1'];
    const ops = [
      { op: 'insert', table: DB, row: { bridges: ['set', bridges.map((b) => ['named-uuid', b])] } },
      ...bridges.map((b) => ({
        op: 'insert',
        table: 'Bridge',
        'uuid-name': b,
        row: { name: b },
      })),
    ];
    return new Channel(socket).request('transact', [DB, ...ops]);
  },

  /** Puts so many ports on a bridge, a thousand at once. */
  fill(job) {
    const { socket, bridge } = job;
    const channel = new Channel(socket);
    for (let at = 0; at < Number(job['ports']); at += FILL) {
      const names = Array.from({ length: FILL }, (_, i) => `${bridge}f${at + i}`);
      const ops = names.flatMap((name, i) => [
        { op: 'insert', table: 'Interface', 'uuid-name': `i${i}`, row: { name } },
        {
          op: 'insert',
          table: 'Port',
          'uuid-name': `p${i}`,
          row: { name, interfaces: ['named-uuid', `i${i}`] },
        },
      ]);
      const ports = names.map((_, i) => ['named-uuid', `p${i}`]);
      const mutations = [['ports', 'insert', ['set', ports]]];
      const where = [['name', '==', bridge]];
      channel.request('transact', [
        DB,
        ...ops,
        { op: 'mutate', table: 'Bridge', where, mutations },
      ]);
    }
    return null;
  },

  addPorts(job) {
    const durable = job['durable'] === true;
    const bridge = String(job['bridge']);
    const requests = Array.from({ length: Number(job['count']) }, (_, i) =>
      addPort(bridge, `${bridge}p${Number(job['from'] ?? 0) + i}`, durable),
    );
    return rate(job, requests, durable ? 6 : 5);
  },

  /** Takes off what `addPorts` has put on, all at once. */
  removePorts(job) {
    const channel = new Channel(job.socket);
    const bridge = String(job['bridge']);
    const selects = Array.from({ length: Number(job['count']) }, (_, i) => ({
      op: 'select',
      table: 'Port',
      where: [['name', '==', `${bridge}p${Number(job['from']) + i}`]],
      columns: ['_uuid'],
    }));
    const found = channel.request('transact', [DB, ...selects]) as { rows: { _uuid: unknown }[] }[];
    const ports = found.map(({ rows }) => rows[0]!._uuid);
    const mutations = [['ports', 'delete', ['set', ports]]];
    const where = [['name', '==', bridge]];
    channel.request('transact', [DB, { op: 'mutate', table: 'Bridge', where, mutations }]);
    return null;
  },

  /** Updates of one row each, found by `column`. */
  updates(job) {
    const rows = Number(job['rows']);
    const requests = Array.from({ length: Number(job['count']) }, (_, i) => {
      const n = (i * 7919) % rows;
      const clause =
        job['column'] === 'name' ? ['name', '==', `port${n}`] : ['ofport', '==', n + 1];
      return transact([
        {
          op: 'update',
          table: 'Interface',
          where: [clause],
          row: { mtu_request: 1000 + (i % 500) },
        },
      ]);
    });
    return rate(job, requests, 1);
  },

  /** Milliseconds from the first update until each of the monitors has seen the last one. */
  monitors({ socket, monitors, updates, durable }) {
    const channels = Array.from({ length: Number(monitors) }, () => {
      const channel = new Channel(socket);
      const requests = { [DB]: [{ columns: ['next_cfg', 'external_ids'] }] };
      channel.request('monitor_cond_since', [
        DB,
        ['m'],
        requests,
        `${'0'.repeat(8)}-0000-0000-0000-000000000000`,
      ]);
      return channel;
    });
    const writer = new Channel(socket);
    const base = Date.now() % 1e9;
    const start = performance.now();
    for (let i = 1; i <= Number(updates); i++) {
      const update = { op: 'update', table: DB, where: [], row: { next_cfg: base + i } };
      writer.send(transact([update, ...(durable ? [{ op: 'commit', durable: true }] : [])]));
      writer.skip(1);
    }
    const last = Buffer.from(`"next_cfg":${base + Number(updates)}`);
    for (const channel of channels) {
      let tail = Buffer.alloc(0);
      for (;;) {
        const text = Buffer.concat([tail, channel.read()]);
        if (text.includes(last)) break;
        tail = Buffer.from(text.subarray(-last.length));
      }
    }
    return performance.now() - start;
  },

  /** Milliseconds and bytes of the first reply to a monitor of a whole table. */
  initial({ socket, table }) {
    const channel = new Channel(socket);
    const start = performance.now();
    const requests = { [String(table)]: [{}] };
    channel.send(JSON.stringify({ id: 1, method: 'monitor_cond', params: [DB, ['m'], requests] }));
    const bytes = channel.skip(1);
    return { ms: performance.now() - start, bytes };
  },

  /** Sends small updates one at a time for `ms`; the longest that a reply took, in ms. */
  latency({ socket, ms }) {
    const channel = new Channel(socket);
    const end = performance.now() + Number(ms);
    const took: number[] = [];
    for (let i = 0; performance.now() < end; i++) {
      const start = performance.now();
      channel.send(transact([{ op: 'update', table: DB, where: [], row: { next_cfg: i } }]));
      channel.skip(1);
      took.push(performance.now() - start);
    }
    took.sort((a, b) => a - b);
    return { longest: took.at(-1), median: took[took.length >> 1] };
  },
};

const [name, json] = process.argv.slice(2);
const job = JOBS[name ?? ''];
if (!job) throw new Error(`no job ${name}`);
process.stdout.write(JSON.stringify(job(JSON.parse(json ?? '{}') as Job) ?? null));
