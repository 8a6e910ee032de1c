/** Commands of switches for tests, only with `--enable-dummy` (ovs-vswitchd(8)). */
import {
  type DummyNetdev,
  type DummyNetdevs,
  keyOfAttrs,
  OdpKeyError,
  OdpParseError,
  parseOdpAttrs,
} from '@heddle/datapath';
import { type Flow, fromHex, parseIpv4, parseIpv6 } from '@heddle/packet';
import { composeFlow, composeFlowOfLength } from '@heddle/packet/compose';
import { UnixctlError, type UnixctlServer, type WarpClock } from '@heddle/runtime';

const ETH_HEADER_BYTES = 14;
const MIN_LENGTH = 60;
const MAX_LENGTH = 0xffff + ETH_HEADER_BYTES;
/** Turns of the event loop between two steps of time, for what falls due to be done. */
const TURNS = 5;

export function registerDummy(server: UnixctlServer, netdevs: DummyNetdevs): void {
  const usage = 'name [--qid queue_id] packet|flow [--len packet_len]';
  server.register('netdev-dummy/receive', usage, 2, Infinity, ([name, ...words]) => {
    const device = netdevs.get(name!);
    if (!device) throw new UnixctlError('no such dummy netdev');
    receive(device, words);
    return '';
  });

  server.register('netdev-dummy/set-admin-state', '[netdev] up|down', 1, 2, (args) => {
    const state = args.at(-1)!.toLowerCase();
    if (state !== 'up' && state !== 'down') throw new UnixctlError('Invalid Admin State');
    const named = args.length > 1 ? [deviceOf(netdevs, args[0]!)] : netdevs.values();
    for (const device of [...named]) netdevs.setUp(device, state === 'up');
    return 'OK\n';
  });

  server.register('netdev-dummy/ip4addr', '[netdev] ipaddr/mask-prefix-len', 2, 2, (args) => {
    const device = deviceOf(netdevs, args[0]!);
    const [address = '', length = '32'] = args[1]!.split('/');
    if (parseIpv4(address) === undefined || !/^\d+$/.test(length) || Number(length) > 32) {
      throw new UnixctlError(`${args[1]}: invalid IP address`);
    }
    netdevs.addAddress(device, `${address}/${length}`);
    return 'OK\n';
  });

  server.register('netdev-dummy/ip6addr', '[netdev] ip6addr', 2, 2, (args) => {
    const device = deviceOf(netdevs, args[0]!);
    const [address = '', length = '128'] = args[1]!.split('/');
    if (parseIpv6(address) === undefined || !/^\d+$/.test(length) || Number(length) > 128) {
      throw new UnixctlError(`${args[1]}: invalid IPv6 address`);
    }
    netdevs.addAddress(device, `${address}/${length}`);
    return 'OK\n';
  });

  server.register('netdev-dummy/conn-state', '[netdev]', 0, 1, ([name]) => {
    if (name !== undefined) return `${name}: ${connection(netdevs.get(name)) ?? 'unknown'}\n`;
    const lines = [...netdevs.values()].map((device) => {
      const state = connection(device);
      return state === undefined ? '' : `${device.name}: ${state}\n`;
    });
    return lines.join('');
  });
}

export function registerTime(server: UnixctlServer, clock: WarpClock): void {
  server.register('time/stop', '', 0, 0, () => {
    clock.stop();
    return '';
  });

  server.register('time/warp', '[large_msecs] msecs', 1, 2, async (args) => {
    const [total, step] = args.length > 1 ? args : [args[0], args[0]];
    const stepMs = Number.parseInt(step!, 10);
    let leftMs = Number.parseInt(total!, 10);
    if (!(stepMs > 0) || !(leftMs > 0)) throw new UnixctlError('invalid MSECS');
    while (leftMs > 0) {
      clock.warp(Math.min(stepMs, leftMs));
      leftMs -= stepMs;
      for (let i = 0; i < TURNS; i++) await new Promise((resolve) => setImmediate(resolve));
    }
    return 'warped\n';
  });
}

/** Of a device that connects to a peer; undefined for all others. */
function connection(device: DummyNetdev | undefined): string | undefined {
  if (device?.isConnected === undefined) return undefined;
  return device.isConnected ? 'connected' : 'disconnected';
}

function deviceOf(netdevs: DummyNetdevs, name: string): DummyNetdev {
  const device = netdevs.get(name);
  if (!device) throw new UnixctlError('Unknown Dummy Interface');
  return device;
}

/** All words are read before the first frame arrives. */
function receive(device: DummyNetdev, words: readonly string[]): void {
  const frames: Uint8Array[] = [];
  let i = 0;
  if (words[0] === '--qid' && words.length > 1) {
    const queue = Number.parseInt(words[1]!, 10) || 0;
    if (queue < 0 || queue >= device.rxQueues) throw new UnixctlError('bad rx queue id.');
    i = 2;
  }
  while (i < words.length) {
    const word = words[i++]!;
    const frame = frameFromHex(word);
    if (frame) {
      frames.push(frame);
      continue;
    }
    const hasLength = words[i] === '--len';
    frames.push(frameFromFlow(word, hasLength ? (words[i + 1] ?? '') : undefined));
    if (hasLength) i += 2;
  }
  for (const frame of frames) device.receive(frame);
}

function frameFromHex(word: string): Uint8Array | undefined {
  const digits = word.replaceAll(/\s/g, '');
  if (!/^([0-9a-fA-F]{2})+$/.test(digits)) return undefined;
  const bytes = fromHex(digits);
  return bytes.length < ETH_HEADER_BYTES ? undefined : bytes;
}

function frameFromFlow(text: string, length: string | undefined): Uint8Array {
  const flow = keyFromText(text);
  if (length === undefined) return composeFlow(flow);
  const bytes = Number.parseInt(length, 10) || 0;
  if (bytes < MIN_LENGTH) throw new UnixctlError('too small packet len');
  const frame = bytes > MAX_LENGTH ? undefined : composeFlowOfLength(flow, bytes);
  if (!frame) throw new UnixctlError('');
  return frame;
}

function keyFromText(text: string): Flow {
  try {
    return keyOfAttrs(parseOdpAttrs(text), { vlanLimit: 1 }).flow;
  } catch (error) {
    if (error instanceof OdpParseError || error instanceof OdpKeyError) {
      throw new UnixctlError(error.message);
    }
    throw error;
  }
}
