import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createNetns, deleteNetns, openNetns } from '@heddle/linux/netns';
import { Rtnl } from '@heddle/linux/rtnetlink/rtnl';
import { Flow } from '@heddle/packet';
import * as b from '@heddle/packet/build';

const MACS = { dst: 'ff:ff:ff:ff:ff:ff', src: '02:00:00:00:00:01' };
const IPS = { src: '10.0.0.1', dst: '10.0.0.2' };

export function udpFrame(bytes: number, src = 1): Uint8Array {
  return b.ethernet(MACS, b.ipv4(IPS, b.udp({ src, dst: 2 }, new Uint8Array(bytes).fill(7))));
}

export function portMask(): Flow {
  const mask = new Flow();
  mask.inPort = 0xffff_ffff;
  return mask;
}

export function inHost(name: string, command: string, args: readonly string[]): ChildProcess {
  return spawn('ip', ['netns', 'exec', name, command, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

export async function output(child: ChildProcess): Promise<string> {
  let text = '';
  child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await once(child, 'close');
  return text;
}

/** Two hosts, `NAME1` and `NAME2`, with 10.0.0.1 and 10.0.0.2 behind devices p1 and p2. */
export class Hosts implements Disposable {
  readonly names: string[];

  constructor(name: string, mtu = 1500) {
    this.names = [1, 2].map((n) => `k-${name}${process.pid}-${n}`);
    using rtnl = new Rtnl();
    this.names.forEach((host, i) => {
      createNetns(host);
      using ns = openNetns({ name: host });
      const peer = { name: 'eth0', netns: ns, up: true, mtu };
      rtnl.createVeth({ name: `p${i + 1}`, up: true, mtu }, peer);
      using there = new Rtnl(ns);
      there.addAddress(there.link('eth0')!.index, `10.0.0.${i + 1}/24`);
    });
  }

  checksumErrors(): number {
    return this.names
      .map((host) => spawnSync('ip', ['netns', 'exec', host, 'cat', '/proc/net/snmp']))
      .map((r) => r.stdout.toString().split('\n'))
      .map((lines) =>
        Number(
          lines
            .filter((l) => l.startsWith('Tcp:'))[1]!
            .split(' ')
            .at(-1),
        ),
      )
      .reduce((a, n) => a + n);
  }

  [Symbol.dispose](): void {
    using rtnl = new Rtnl();
    this.names.forEach((host, i) => {
      rtnl.deleteLink(`p${i + 1}`);
      deleteNetns(host);
    });
  }
}

/** TCP from the first host to the second; bytes that arrived. */
export async function tcpTransfer(hosts: Hosts, megabytes: number): Promise<number> {
  const [from, to] = hosts.names;
  const receive = `require('net').createServer(s=>{let n=0;s.on('data',d=>n+=d.length);s.on('end',()=>{console.log(n);process.exit()})}).listen(5000,()=>console.log('up'))`;
  const sendCode = `const s=require('net').connect(5000,'10.0.0.2',()=>{s.end(Buffer.alloc(${megabytes}<<20))})`;
  const server = inHost(to!, process.execPath, ['-e', receive]);
  const text = output(server);
  await once(server.stdout!, 'data');
  const client = inHost(from!, process.execPath, ['-e', sendCode]);
  const timer = setTimeout(() => server.kill('SIGKILL'), 20_000);
  await once(client, 'close');
  const lines = (await text).trim().split('\n');
  clearTimeout(timer);
  return Number(lines.at(-1));
}
