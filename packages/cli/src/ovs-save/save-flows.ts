/** The OpenFlow state of bridges as files, and the commands that bring it back (ovs-ctl(8), "The restart command"). */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HeddleError } from '@heddle/runtime/errors';
import { siblingCommand } from '@heddle/runtime/self';

export interface SavedFlows {
  readonly directory: string;
  /** Each an argument vector, of ovs-ofctl's. */
  readonly restore: readonly (readonly string[])[];
}

const DEFAULT_VERSION = 'OpenFlow14';
/** The first that bundles exist in. */
const FIRST_WITH_BUNDLES = 14;

export function saveFlows(bridges: readonly string[]): SavedFlows {
  const directory = mkdtempSync(join(tmpdir(), 'ovs-save.'));
  const restore = bridges.flatMap((bridge) => saveBridge(bridge, directory));
  return { directory, restore };
}

function saveBridge(bridge: string, directory: string): string[][] {
  const version = versionOf(bridge);
  const ofctl = ['-O', version];
  const bundle = Number(version.slice('OpenFlow'.length)) >= FIRST_WITH_BUNDLES ? ['--bundle'] : [];
  const file = (what: string, text: string): string => {
    const path = join(directory, `${bridge}.${what}.dump`);
    // A first line may say what kind of reply it is.
    writeFileSync(path, text.replace(/^[A-Z][^\n]*\n/, ''), { mode: 0o600 });
    return path;
  };
  const commands: string[][] = [];
  const maps = tlvMap(runCommand('ovs-ofctl', [...ofctl, 'dump-tlv-map', bridge]));
  if (maps !== '') commands.push([...ofctl, 'add-tlv-map', bridge, maps]);
  if (version !== 'OpenFlow10') {
    const groups = runCommand('ovs-ofctl', [...ofctl, 'dump-groups', bridge]);
    commands.push([...ofctl, 'add-groups', bridge, file('groups', groups), ...bundle]);
  }
  const words = [...ofctl, 'dump-flows', '--no-names', '--no-stats', bridge];
  const flows = runCommand('ovs-ofctl', words);
  commands.push([...ofctl, 'replace-flows', bridge, file('flows', flows), ...bundle]);
  return commands;
}

/** The newest protocol that the bridge speaks. */
function versionOf(bridge: string): string {
  const text = runCommand('ovs-vsctl', ['get', 'bridge', bridge, 'protocols']);
  const versions = [...text.matchAll(/OpenFlow1\d/g)].map(([v]) => v).sort();
  return versions.at(-1) ?? DEFAULT_VERSION;
}

/** The table that dump-tlv-map prints, as add-tlv-map takes it. */
function tlvMap(text: string): string {
  const rows = text.matchAll(/^\s*(0x[0-9a-f]+)\s+(0x[0-9a-f]+)\s+(\d+)\s+(tun_metadata\d+)/gm);
  return [...rows]
    .map(([, cls, type, len, field]) => `{class=${cls},type=${type},len=${len}}->${field}`)
    .join(',');
}

/** Runs another command of ours; what it prints. */
export function runCommand(name: string, args: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, siblingCommand(name, args), {
    encoding: 'utf8',
    maxBuffer: 2 ** 31 - 1,
  });
  if (status !== 0) throw new HeddleError(stderr.trim() || `${name} failed`);
  return stdout;
}
