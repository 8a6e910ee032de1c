/** `heddle attach`, `detach` and `gc`. */
import type { ParsedLine } from '@heddle/runtime/options';
import { print } from '@heddle/runtime/stdio';
import { attach, detach, findAttached } from '../attach/attach.ts';
import { AttachError } from '../attach/errors.ts';
import { collectGarbage } from '../attach/gc.ts';
import { checkMac, checkMtu, type InsideConfig, parsePrefix } from '../attach/inside-config.ts';
import { configureInside } from '../attach/links.ts';
import { bridgeOf, vsctl } from '../attach/switch-db.ts';
import { resolveTarget, type Target } from '../attach/target.ts';

export async function attachCommand(line: ParsedLine): Promise<number> {
  const [bridge, name] = line.args as [string, string];
  const config = readConfig(line);
  const portColumns = readPortColumns(line);
  const target = await resolveTarget(name);
  if (has(line, 'update') && (await update(bridge, target, config, portColumns))) return 0;
  const portName = value(line, 'port');
  const port = await attach({
    bridge,
    target,
    portColumns,
    createBridge: has(line, 'create-bridge'),
    ...(portName === undefined ? {} : { portName }),
    ...config,
  });
  print(`${port}\n`);
  return 0;
}

/** False when there is nothing attached to update. */
async function update(
  bridge: string,
  target: Target,
  { interfaceName, addresses }: InsideConfig,
  columns: readonly string[],
): Promise<boolean> {
  const [port] = await findAttached(target.name, interfaceName);
  if (port === undefined) return false;
  const actual = await bridgeOf(port.name);
  if (actual !== bridge) {
    throw new AttachError(`${interfaceName} of ${target.name} is on ${actual}, not on ${bridge}`);
  }
  configureInside(target.netns, interfaceName, addresses);
  if (columns.length > 0) await vsctl('set', 'Port', port.name, ...columns);
  print(`${port.name}\n`);
  return true;
}

export async function detachCommand(line: ParsedLine): Promise<number> {
  const name = line.args.at(-1)!;
  const bridge = line.args.length === 2 ? line.args[0] : undefined;
  const interfaceName = value(line, 'interface');
  let detached = 0;
  for (const port of await findAttached(name, interfaceName)) {
    if (bridge !== undefined && (await bridgeOf(port.name)) !== bridge) continue;
    await detach(port);
    detached++;
  }
  if (detached > 0) return 0;
  const what = interfaceName === undefined ? 'nothing' : `no interface ${interfaceName}`;
  const where = bridge === undefined ? '' : ` to ${bridge}`;
  throw new AttachError(`${what} of ${name} is attached${where}`);
}

export async function gcCommand(dryRun: boolean): Promise<number> {
  const { ports, devices } = await collectGarbage({ dryRun });
  for (const port of ports) print(`port ${port}\n`);
  for (const device of devices) print(`device ${device}\n`);
  return 0;
}

function readConfig(line: ParsedLine): InsideConfig {
  const mac = value(line, 'mac');
  const mtu = value(line, 'mtu');
  return {
    interfaceName: value(line, 'interface') ?? 'eth1',
    addresses: values(line, 'ip').map(parsePrefix),
    gateways: values(line, 'gateway').map(parsePrefix),
    ...(mac === undefined ? {} : { mac: checkMac(mac) }),
    ...(mtu === undefined ? {} : { mtu: checkMtu(mtu) }),
  };
}

function readPortColumns(line: ParsedLine): string[] {
  return ['tag', 'trunks'].flatMap((column) => {
    const text = value(line, column);
    return text === undefined ? [] : [`${column}=${text}`];
  });
}

function values({ options }: ParsedLine, long: string): string[] {
  return options.filter(({ spec }) => spec.long === long).map((option) => option.value ?? '');
}

function value(line: ParsedLine, long: string): string | undefined {
  return values(line, long).at(-1);
}

function has(line: ParsedLine, long: string): boolean {
  return values(line, long).length > 0;
}
