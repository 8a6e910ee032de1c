/** The configured bridges with the devices of their ports, from the database and the kernel. */
import { execFile } from 'node:child_process';

export interface PortFacts {
  readonly name: string;
  readonly mtu: number | undefined;
  readonly error: string | undefined;
  /** Programs at tc ingress that are not the switch's, by name. */
  readonly rivals: readonly string[];
}

export interface BridgeFacts {
  readonly name: string;
  readonly ports: readonly PortFacts[];
}

type Cell = string | number | ['uuid', string] | ['set', Cell[]] | ['map', [Cell, Cell][]];

/** Undefined when no database answers within two seconds. */
export async function bridgeFacts(): Promise<BridgeFacts[] | undefined> {
  try {
    const [bridges, ports, interfaces] = await Promise.all([
      table('Bridge', 'name,ports'),
      table('Port', '_uuid,interfaces'),
      table('Interface', '_uuid,name,mtu,error,type'),
    ]);
    const byUuid = new Map(interfaces.map(([id, ...rest]) => [uuids(id!)[0], rest]));
    const portInterfaces = new Map(ports.map(([id, list]) => [uuids(id!)[0], uuids(list!)]));
    const facts = bridges.map(async ([name, list]) => {
      const rows = uuids(list!).flatMap((port) => portInterfaces.get(port) ?? []);
      const found = rows.map((id) => byUuid.get(id)).filter((row) => row !== undefined);
      return { name: String(name), ports: await Promise.all(found.map(portFacts)) };
    });
    return await Promise.all(facts);
  } catch {
    return undefined;
  }
}

async function portFacts([name, mtu, error, type]: Cell[]): Promise<PortFacts> {
  const device = String(name);
  return {
    name: device,
    mtu: typeof mtu === 'number' ? mtu : undefined,
    error: typeof error === 'string' && error !== '' ? error : undefined,
    rivals: type === 'patch' ? [] : await rivalPrograms(device),
  };
}

function uuids(cell: Cell): string[] {
  if (!Array.isArray(cell)) return [];
  const [kind, value] = cell;
  return kind === 'uuid' ? [value] : kind === 'set' ? value.flatMap((item) => uuids(item)) : [];
}

async function table(name: string, columns: string): Promise<Cell[][]> {
  const args = ['--timeout=2', '--no-wait', '--format=json', `--columns=${columns}`, 'list', name];
  const { data } = JSON.parse(await output('ovs-vsctl', args)) as { data: Cell[][] };
  return data;
}

/** Classic filters, which come after TCX links, and foreign TCX links are both in tc's listing. */
async function rivalPrograms(device: string): Promise<string[]> {
  const names = new Set<string>();
  const args = ['-j', 'filter', 'show', 'dev', device, 'ingress'];
  const text = await output('tc', args).catch(() => '[]');
  for (const filter of JSON.parse(text || '[]')) {
    const name = filter?.options?.bpf_name ?? filter?.kind;
    if (typeof name === 'string' && filter.options && !/heddle/.test(name)) names.add(name);
  }
  return [...names];
}

function output(file: string, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { timeout: 3000 }, (error, stdout) => {
      if (error === null) resolve(stdout);
      else reject(error);
    });
  });
}
