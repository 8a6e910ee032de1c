/** Edits that might change what became of a packet, the least first; each is yet to be tried. */
import { Match, OFPP_IN_PORT, OFPP_NORMAL, type OfpAct } from '@heddle/openflow';
import { ETH_P_ARP, ETH_P_IP, ETH_P_IPV6, Flow, flowAnd, formatMac } from '@heddle/packet';
import type { Bundle, OfPort } from '../ofproto.ts';
import { inputTranslate, tagsFromStack } from '../vlan.ts';
import { tagsOf } from '../xlate/tags.ts';
import {
  addFlow,
  addVlan,
  changeFlow,
  clearTag,
  deleteFlow,
  deleteStaticMac,
  type Edit,
  flushMacs,
  modPort,
  setPort,
  setting,
} from './edits.ts';
import type { ExplainEnv } from './env.ts';
import { adapted, type NearMiss } from './near-miss.ts';
import type { Drop } from './walk.ts';

const OFPVID_MIN = 1;
const MAX_PRIORITY = 0xffff;
const DEFAULT_EXCEPTION = 100;
const NORMAL: OfpAct = { type: 'output', port: OFPP_NORMAL, maxLen: 0 };

export interface Wish {
  /** The port that the packet is to come out of; undefined: any. */
  readonly to: OfPort | undefined;
  readonly nearMisses: readonly NearMiss[];
}

export function* candidates(drop: Drop, wish: Wish, env: ExplainEnv): Generator<Edit> {
  const { bridge, port, flow } = drop;
  if (!bridge) return;
  switch (drop.reason) {
    case 'no flow of the bridge matches':
      yield* afterMiss(drop, wish, env);
      return;
    case 'the flow has no actions':
    case 'the only output is the input port':
    case 'no such port':
      yield* afterRule(drop, wish);
      return;
    case 'VLAN not allowed on the input port':
      if (port) yield* letIn(port.bundle, tagsOf(flow)[0]?.vid ?? 0);
      return;
    case 'VLAN not allowed on the output port':
      if (port) yield* letOut(drop, port.bundle);
      return;
    case 'both ports are protected': {
      const from = bridge.ports.get(flow.inPort)?.bundle;
      for (const b of [port?.bundle, from]) {
        if (b) yield setPort(b, 'protected=false', { isProtected: false });
      }
      return;
    }
    case 'no bucket of the group is alive':
      yield* reviveBuckets(drop);
      return;
    case 'no flooding to the port':
      if (port) yield modPort(port, ['flood']);
      return;
    case 'the port sends no packets':
      if (port) yield modPort(port, ['forward']);
      return;
    case 'the port takes no packets':
      if (port) yield modPort(port, ['receive']);
      return;
    case 'the port is down':
      if (port) yield setting(`ip link set dev ${port.name} up`, port, { mayEnable: true });
      return;
    case 'reserved destination address':
      yield setting(`ovs-vsctl set bridge ${bridge.name} other_config:forward-bpdu=true`, bridge, {
        forwardBpdu: true,
      });
      return;
    case 'fragments are dropped':
      yield setting(`ovs-ofctl set-frags ${bridge.name} normal`, bridge, {
        fragHandling: 'normal',
      });
      return;
    case 'destination is at the input port':
      yield* forgetMac(drop);
  }
}

/** Sets up the devices that buckets watch. */
function* reviveBuckets({ bridge, group }: Drop): Generator<Edit> {
  for (const { watchPort } of bridge?.groups.get(group ?? -1)?.buckets ?? []) {
    const port = bridge?.ports.get(watchPort);
    if (!port || port.mayEnable) continue;
    yield setting(`ip link set dev ${port.name} up`, port, { mayEnable: true, isLinkUp: true });
  }
}

function* afterMiss(drop: Drop, wish: Wish, env: ExplainEnv): Generator<Edit> {
  const { bridge, tableId: table, flow } = drop;
  if (!bridge) return;
  const { isSecure, controllers } = env.facts(bridge);
  if (bridge.tables.size === 0 && isSecure) {
    const command =
      controllers.length === 0
        ? `ovs-vsctl del-fail-mode ${bridge.name}`
        : `ovs-vsctl set-fail-mode ${bridge.name} standalone`;
    yield {
      command,
      apply: (nowMs) => {
        bridge.setDefaultFlow(true, nowMs);
        return () => void bridge.setDefaultFlow(false, nowMs);
      },
    };
  }
  for (const miss of wish.nearMisses) {
    if (miss.rule.tableId !== table) continue;
    const { priority, state } = miss.rule;
    yield addFlow(bridge, { table, priority, match: adapted(miss, flow) }, state.actions);
  }
  yield* exceptions(drop, wish, DEFAULT_EXCEPTION);
}

/** A flow that drops, or sends where nothing is. */
function* afterRule(drop: Drop, wish: Wish): Generator<Edit> {
  const { bridge, rule, reason } = drop;
  if (!bridge || !rule) return;
  const { actions } = rule.state;
  if (reason === 'the only output is the input port') {
    const back = actions.map((a): OfpAct => {
      const same =
        (a.type === 'output' || a.type === 'output_trunc') && a.port === drop.flow.inPort;
      return same ? { ...a, port: OFPP_IN_PORT } : a;
    });
    yield changeFlow(bridge, rule, back);
  }
  if (reason === 'the flow has no actions') yield deleteFlow(bridge, rule);
  yield* exceptions(drop, wish, rule.priority + 1);
}

/** A flow for this packet alone. */
export function* exceptions(drop: Drop, wish: Wish, priority: number): Generator<Edit> {
  const { bridge, tableId: table, flow } = drop;
  if (!bridge || priority > MAX_PRIORITY) return;
  const match = packetMatch(flow);
  const to = wish.to?.bundle.bridge === bridge ? wish.to : undefined;
  if (to) {
    const back: OfpAct = { type: 'output', port: OFPP_IN_PORT, maxLen: 0 };
    const out = to.ofport === flow.inPort ? back : outputTo(to);
    yield addFlow(bridge, { table, priority, match }, [out]);
  }
  yield addFlow(bridge, { table, priority, match }, [NORMAL]);
  if (to) return;
  const others = [...bridge.ports.values()].filter((p) => p.ofport !== flow.inPort);
  const [only] = others.filter((p) => p.odpPort !== undefined && p.name !== bridge.name);
  if (only) yield addFlow(bridge, { table, priority, match }, [outputTo(only)]);
}

function outputTo({ ofport }: OfPort): OfpAct {
  return { type: 'output', port: ofport, maxLen: 0 };
}

/** What tells this packet's connection from others. */
function packetMatch(flow: Flow): Match {
  const mask = new Flow();
  mask.inPort = 0xffff;
  const { dlType, nwProto } = flow;
  if (dlType === ETH_P_IP || dlType === ETH_P_IPV6) {
    mask.dlType = 0xffff;
    mask.nwProto = 0xff;
    if (dlType === ETH_P_IP) {
      mask.nwSrc = 0xffff_ffff;
      mask.nwDst = 0xffff_ffff;
    } else {
      mask.ipv6Src = new Uint8Array(16).fill(0xff);
      mask.ipv6Dst = new Uint8Array(16).fill(0xff);
    }
    if ([6, 17, 132].includes(nwProto) && flow.nwFrag === 0) mask.tpDst = 0xffff;
  } else if (dlType === ETH_P_ARP) {
    mask.dlType = 0xffff;
    mask.nwDst = 0xffff_ffff;
  } else {
    mask.dlSrc = 0xffff_ffff_ffff;
    mask.dlDst = 0xffff_ffff_ffff;
  }
  return new Match(flowAnd(flow, mask), mask);
}

function* letIn(bundle: Bundle, vlan: number): Generator<Edit> {
  switch (bundle.vlanMode) {
    case 'access':
      yield setPort(bundle, `vlan_mode=native-untagged trunks=${vlan}`, {
        vlanMode: 'native-untagged',
        trunks: new Set([vlan]),
      });
      yield clearTag(bundle);
      return;
    case 'dot1q-tunnel':
      yield addVlan(bundle, 'cvlans', vlan);
      return;
    default:
      yield addVlan(bundle, 'trunks', vlan);
  }
}

function* letOut({ bridge, flow }: Drop, bundle: Bundle): Generator<Edit> {
  const from = bridge?.ports.get(flow.inPort)?.bundle;
  if (!from) return;
  const vlan = inputTranslate(from, tagsFromStack(tagsOf(flow)))[0].vid;
  const isTrunk = bundle.vlanMode !== 'access' && bundle.vlanMode !== 'dot1q-tunnel';
  if (isTrunk) {
    yield addVlan(bundle, 'trunks', vlan);
    return;
  }
  if (vlan >= OFPVID_MIN) yield setPort(bundle, `tag=${vlan}`, { vlan });
  else {
    const tag = bundle.vlan;
    yield setPort(from, `tag=${tag}`, { vlan: tag, vlanMode: 'access' });
    yield clearTag(bundle);
  }
}

function* forgetMac({ bridge, flow }: Drop): Generator<Edit> {
  const from = bridge?.ports.get(flow.inPort)?.bundle;
  if (!bridge || !from) return;
  const vlan = inputTranslate(from, tagsFromStack(tagsOf(flow)))[0].vid;
  const entry = bridge.macs.lookup(vlan, flow.dlDst);
  if (entry?.isStatic) yield deleteStaticMac(bridge, vlan, flow.dlDst, formatMac(flow.dlDst));
  else yield flushMacs(bridge);
}
