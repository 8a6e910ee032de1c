/** The main job: real containers on two bridges, by our commands and by the distribution's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Container,
  Docker,
  eventually,
  Instance,
  isolate,
  type RunResult,
  run,
  Scope,
} from '@heddle/testing';

isolate();

const DISTRIBUTION = '/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin';

/** Commands with our bin/ first on PATH, or with the distribution's only. */
const TOOLS = ['ours', 'the distribution'] as const;

async function commands(instance: Instance, docker: Docker, tools: (typeof TOOLS)[number]) {
  const path = tools === 'ours' ? `${instance.env.PATH}:/usr/local/bin` : DISTRIBUTION;
  const env = { ...instance.env, ...docker.env, PATH: path };
  return async (...argv: string[]): Promise<string> => {
    const result = await run(instance.host.argv(...argv), { env });
    assert.equal(result.code, 0, `${argv.join(' ')}: ${result.stderr}${result.stdout}`);
    return result.stdout;
  };
}

async function ping(docker: Docker, from: Container, address: string): Promise<boolean> {
  const argv = ['docker', 'exec', from.name, 'ping', '-c', '3', '-i', '0.2', '-W', '1', address];
  const { code }: RunResult = await run(argv, { env: docker.env });
  return code === 0;
}

/** A machine under load may let single pings time out: the matrix must become the expected one. */
async function settles(matrix: () => Promise<string>, expected: string): Promise<void> {
  let seen = '';
  for (let attempt = 0; attempt < 4 && seen !== expected; attempt++) seen = await matrix();
  assert.equal(seen, expected);
}

for (const tools of TOOLS) {
  test(`four containers, two bridges, tags and a trunk, by the tools of ${tools}`, async () => {
    await using scope = new Scope();
    const instance = await Instance.ours(scope);
    const docker = await Docker.open(scope);
    assert.ok(docker instanceof Docker, String(docker));
    const $ = await commands(instance, docker, tools);
    for (const [here, there] of [
      ['west', 'east'],
      ['east', 'west'],
    ]) {
      await $('ovs-vsctl', 'add-br', here!);
      const set = [
        '--',
        'set',
        'interface',
        `to-${there}`,
        'type=patch',
        `options:peer=to-${here}`,
      ];
      await $('ovs-vsctl', 'add-port', here!, `to-${there}`, ...set);
    }
    const boxes: Container[] = [];
    for (const n of [1, 2, 3, 4]) {
      const box = await docker.container(`box${n}`);
      boxes.push(box);
      const bridge = n <= 2 ? 'west' : 'east';
      const ip = `--ipaddress=10.0.0.${n}/24`;
      await $('ovs-docker', 'add-port', bridge, 'eth1', box.name, ip, '--mtu=1400');
    }
    const matrix = async (): Promise<string> => {
      const rows = boxes.map(async (from, i) => {
        const cells = boxes.map((_, j) => (i === j ? '.' : ping(docker, from, `10.0.0.${j + 1}`)));
        return (await Promise.all(cells)).map((cell) => (cell === '.' ? '.' : cell ? 'y' : 'n'));
      });
      return (await Promise.all(rows)).map((row) => row.join('')).join(' ');
    };
    await settles(matrix, '.yyy y.yy yy.y yyy.');
    for (const [index, box] of boxes.entries()) {
      const bridge = index < 2 ? 'west' : 'east';
      await $('ovs-docker', 'set-vlan', bridge, 'eth1', box.name, index % 2 === 0 ? '100' : '200');
    }
    await settles(matrix, '.nyn n.ny yn.n nyn.');
    await $('ovs-vsctl', 'set', 'port', 'to-east', 'trunks=100');
    await settles(matrix, '.nyn n.nn yn.n nnn.');
    const flows = await $('ovs-appctl', 'dpctl/dump-flows');
    assert.match(flows, /in_port\(\d+\).*actions:/);
    assert.match(await $('ovsdb-client', 'list-dbs', `unix:${instance.socket}`), /Open_vSwitch/);
    await $('ovs-docker', 'del-port', 'west', 'eth1', boxes[0]!.name);
    await $('ovs-docker', 'del-ports', 'west', boxes[1]!.name);
    await eventually('ports gone', async () => {
      const left = await $('ovs-vsctl', 'list-ports', 'west');
      return left === 'to-east\n' ? true : undefined;
    });
  });
}

test('ports of a container that was removed are collected', async () => {
  await using scope = new Scope();
  const instance = await Instance.ours(scope);
  const docker = await Docker.open(scope);
  assert.ok(docker instanceof Docker, String(docker));
  const $ = await commands(instance, docker, 'ours');
  await docker.container('gone');
  await $('ovs-docker', 'add-port', 'br0', 'eth1', 'gone', '--ipaddress=10.0.0.1/24');
  await docker.remove('gone');
  await eventually('namespace gone', async () =>
    (await $('heddle', 'gc')) === '' ? undefined : true,
  );
  assert.equal(await $('ovs-vsctl', 'list-ports', 'br0'), '');
});
