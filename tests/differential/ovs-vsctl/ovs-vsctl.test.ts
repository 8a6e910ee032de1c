/** Our ovs-vsctl beside the distribution's: the same command lines on two of its servers. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const OURS = [process.execPath, join(here, '../../../packages/cli/src/ovs-vsctl/main.ts')];
const THEIRS = ['/usr/bin/ovs-vsctl'];
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

interface Outcome {
  status: number | null;
  stdout: string[];
  stderr: string;
}

const base = mkdtempSync(join(tmpdir(), 'heddle-vsctl-'));

function server(name: string): string {
  const dir = join(base, name);
  mkdirSync(dir);
  execFileSync('ovsdb-tool', ['create', `${dir}/db`, '/usr/share/openvswitch/vswitch.ovsschema']);
  const remote = `--remote=punix:${dir}/db.sock`;
  const own = [`--pidfile=${dir}/pid`, `--unixctl=${dir}/ctl`, `--log-file=${dir}/log`];
  execFileSync('ovsdb-server', [`${dir}/db`, remote, ...own, '--detach', '--no-chdir'], {
    stdio: 'ignore',
  });
  return dir;
}

let theirs = '';
let ours = '';

before(() => {
  theirs = server('theirs');
  ours = server('ours');
});

after(() => {
  for (const dir of [theirs, ours]) {
    if (dir !== '') process.kill(Number(readFileSync(`${dir}/pid`, 'utf8')));
  }
  rmSync(base, { recursive: true, force: true });
});

/** Splits at blanks outside of single and double quotes. */
function words(line: string): string[] {
  return [...line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map((m) =>
    m[0].replace(
      /'([^']*)'|"([^"]*)"/g,
      (_, single?: string, double?: string) => single ?? double ?? '',
    ),
  );
}

function run(command: readonly string[], dir: string, line: string): Outcome {
  const [file, ...args] = command;
  const all = [...args, `--db=unix:${dir}/db.sock`, '--no-wait', ...words(line)];
  const { status, stdout, stderr } = spawnSync(file!, all, { encoding: 'utf8', timeout: 30_000 });
  const plain = (text: string) => text.replaceAll(dir, 'DIR').replace(UUID, 'UUID');
  // The order of a set of rows is that of their uuids, which differ.
  return { status, stdout: plain(stdout).split('\n').sort(), stderr: plain(stderr) };
}

/** The database without what differs by nature. */
function contents(dir: string): string[] {
  const tables = ['Bridge', 'Port', 'Interface', 'Controller', 'Manager', 'SSL', 'Mirror'];
  return tables.flatMap((table) => {
    const args = [`--db=unix:${dir}/db.sock`, '--no-wait', '-f', 'csv', 'list', table];
    const text = execFileSync('/usr/bin/ovs-vsctl', args, { encoding: 'utf8' });
    return text.replace(UUID, 'UUID').split('\n').sort();
  });
}

test('the same command lines have the same effect', () => {
  const lines = readFileSync(join(here, 'lines.txt'), 'utf8')
    .split('\n')
    .filter((l) => l !== '' && !l.startsWith('#'));
  assert.ok(lines.length > 150);
  for (const line of lines) {
    assert.deepEqual(run(OURS, ours, line), run(THEIRS, theirs, line), line);
  }
  assert.deepEqual(contents(ours), contents(theirs));
});
