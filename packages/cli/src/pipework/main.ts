/**
 * pipework: one line from a container to a bridge.
 *   pipework BRIDGE [-i IFACE] [-l PORT] CONTAINER IP/LEN[@GATEWAY] [MAC] [@VLAN]
 */
import { createHash } from 'node:crypto';
import { HeddleError } from '@heddle/runtime/errors';
import { print, printError } from '@heddle/runtime/stdio';
import { attach } from '../attach/attach.ts';
import { AttachError } from '../attach/errors.ts';
import { insideConfig } from '../attach/inside-config.ts';
import { resolveTarget, type Target } from '../attach/target.ts';
import { DHCP_CLIENTS, runDhcp } from './dhcp.ts';

const USAGE = `Syntax:
pipework <bridge> [-i containerinterface] [-l portname] <guest> <ipaddr>/<subnet>[@default_gateway] [macaddr][@vlan]
pipework <bridge> [-i containerinterface] [-l portname] <guest> dhcp [macaddr][@vlan]
pipework --wait [-i containerinterface]

The bridge is created when it does not exist. <guest> is a container, a network namespace or a pid.
`;

interface Request {
  readonly bridge: string;
  readonly interfaceName: string;
  readonly portName: string | undefined;
  readonly guest: string;
  readonly address: string;
  readonly mac: string | undefined;
  readonly vlan: string | undefined;
}

/** Returns the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    if (argv[0] === '--wait') return await waitForInterface(argv.slice(1));
    const request = parse(argv);
    if (request === undefined) {
      print(USAGE);
      return argv.includes('-h') || argv.includes('--help') ? 0 : 1;
    }
    await connect(request);
    return 0;
  } catch (error) {
    if (!(error instanceof HeddleError)) throw error;
    printError(`pipework: ${error.message}\n`);
    return error instanceof AttachError ? error.status : 1;
  }
}

/** Undefined when words are missing. */
export function parse(argv: readonly string[]): Request | undefined {
  const words: string[] = [];
  let interfaceName = 'eth1';
  let portName: string | undefined;
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!;
    if (word === '-h' || word === '--help') return undefined;
    if (word === '-i') interfaceName = argumentOf(word, argv[++at]);
    else if (word === '-l') portName = argumentOf(word, argv[++at]);
    else if (word.startsWith('-')) throw new AttachError(`unknown option "${word}"`);
    else words.push(word);
  }
  const [bridge, guest, address, ...rest] = words;
  if (!bridge || !guest || !address) return undefined;
  const { mac, vlan } = macAndVlan(rest, address);
  return { bridge, interfaceName, portName, guest, address, mac, vlan };
}

function argumentOf(option: string, word: string | undefined): string {
  if (word === undefined) throw new AttachError(`option ${option} requires an argument`);
  return word;
}

/** `MAC`, `@VLAN`, `MAC@VLAN` or `MAC @VLAN`; `U:TEXT` is a MAC made from a text. */
function macAndVlan(words: readonly string[], address: string) {
  let mac: string | undefined;
  let vlan: string | undefined;
  for (const word of words) {
    const [before = '', after] = word.split('@');
    if ((before !== '' && mac !== undefined) || (after !== undefined && vlan !== undefined)) {
      throw new AttachError(`one word too many after ${address}: ${word}`);
    }
    if (before !== '') mac = before.startsWith('U:') ? macOf(before.slice(2)) : before;
    if (after !== undefined) vlan = checkVlan(after);
  }
  return { mac, vlan };
}

/** Stable, local, unicast. */
export function macOf(text: string): string {
  const digest = createHash('md5').update(text).digest('hex');
  return `02:${digest.slice(0, 10).replace(/(..)(?=.)/g, '$1:')}`;
}

function checkVlan(text: string): string {
  if (/^\d+$/.test(text) && Number(text) <= 4095) return text;
  throw new AttachError(`"${text}" is not a VLAN (0 to 4095)`);
}

async function connect(request: Request): Promise<void> {
  const { bridge, guest, interfaceName, portName, mac, vlan } = request;
  const client = DHCP_CLIENTS.has(request.address) ? request.address : undefined;
  const [address = '', gateway] = client === undefined ? request.address.split('@') : [];
  if (client === undefined && !address.includes('/')) {
    throw new AttachError(
      `The IP address should include a netmask.\nMaybe you meant ${address}/24 ?`,
    );
  }
  // 0/0: an interface without an address, as for a guest that configures itself.
  const texts = {
    ...(address === '0/0' ? {} : { address }),
    ...(gateway === undefined ? {} : { gateway }),
    ...(mac === undefined ? {} : { mac }),
  };
  const config = insideConfig(interfaceName, texts);
  const target = await resolveTarget(guest);
  await attach({
    bridge,
    target,
    createBridge: true,
    portColumns: vlan === undefined ? [] : [`tag=${vlan}`],
    ...(portName === undefined ? {} : { portName }),
    ...config,
  });
  if (client !== undefined) await askForAddress(client, target, request);
}

async function askForAddress(client: string, target: Target, request: Request): Promise<void> {
  try {
    await runDhcp(client, target.netns, request.interfaceName);
  } catch (error) {
    const { detach, findAttached } = await import('../attach/attach.ts');
    for (const port of await findAttached(target.name, request.interfaceName)) await detach(port);
    throw error;
  }
}

const WAIT_MS = 1000;

/** Within a container: returns when its interface is there and up. */
async function waitForInterface(args: readonly string[]): Promise<number> {
  const name = args[0] === '-i' ? argumentOf('-i', args[1]) : 'eth1';
  const { Rtnl } = await import('@heddle/linux/rtnetlink/rtnl');
  using rtnl = new Rtnl();
  while (rtnl.link(name)?.up !== true) {
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
  }
  return 0;
}
