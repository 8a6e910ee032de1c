/** The configured bridges with the devices of their ports, from the database and the kernel. */
import { execFile } from 'node:child_process';
import { Rtnl } from '@heddle/linux/rtnetlink/rtnl';
import { tcxPrograms } from './facts-bpf.ts';

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
    return bridges.map(([name, list]) => {
      const rows = uuids(list!).flatMap((port) => portInterfaces.get(port) ?? []);
      const found = rows.map((id) => byUuid.get(id)).filter((row) => row !== undefined);
      return { name: String(name), ports: found.map(portFacts) };
    });
  } catch {
    return undefined;
  }
}

function portFacts([name, mtu, error, type]: Cell[]): PortFacts {
  const device = String(name);
  return {
    name: device,
    mtu: typeof mtu === 'number' ? mtu : undefined,
    error: typeof error === 'string' && error !== '' ? error : undefined,
    rivals: type === 'patch' ? [] : rivalPrograms(device),
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

/** The switch's own: programs as the kernel names them, and its clsact filters. */
const OWN = new Set(['port_in', 'inject_in', 'heddle']);

/** Programs at a device's ingress, in TCX and in clsact, that are not the switch's. */
function rivalPrograms(device: string): string[] {
  using rtnl = new Rtnl();
  const link = rtnl.link(device);
  if (link === undefined) return [];
  const names = [
    ...tcxPrograms(link.index),
    ...rtnl.filters(link.index, 'ingress').map((filter) => filter.bpf?.name ?? filter.kind),
  ];
  return [...new Set(names)].filter((name) => !OWN.has(name));
}

function output(file: string, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { timeout: 3000 }, (error, stdout) => {
      if (error === null) resolve(stdout);
      else reject(error);
    });
  });
}
