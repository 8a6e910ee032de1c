/** Each reason to drop, in a sentence that names what is to blame. */
import { OFPP_NONE } from '@heddle/openflow';
import { formatMac } from '@heddle/packet';
import { TBL_INTERNAL } from '../ofproto/flow-table.ts';
import type { Rule } from '../ofproto/rule.ts';
import type { Bundle } from '../ofproto.ts';
import { inputTranslate, tagsFromStack } from '../vlan.ts';
import { tagsOf } from '../xlate/tags.ts';
import type { ExplainEnv } from './env.ts';
import type { Drop } from './walk.ts';

export function reasonText(drop: Drop, env: ExplainEnv): string {
  const { reason, bridge, port, flow, rule, tableId } = drop;
  const outer = tagsOf(flow)[0]?.vid ?? 0;
  const name = port?.name ?? '';
  switch (reason) {
    case 'no flow of the bridge matches':
      return missText(drop, env);
    case 'the flow has no actions':
      return `the flow in table ${rule?.tableId ?? tableId} that it matched drops (actions=drop)`;
    case 'VLAN not allowed on the input port':
      return port
        ? `port ${name} lets no packet of VLAN ${outer} in: ${vlanColumn(port.bundle, outer)}`
        : reason;
    case 'VLAN not allowed on the output port':
      return port
        ? `VLAN ${insideVlan(drop)} does not go out of port ${name}: ${vlanColumn(port.bundle, insideVlan(drop))}`
        : reason;
    case 'both ports are protected': {
      const from = bridge?.ports.get(flow.inPort)?.name ?? '';
      return `ports ${from} and ${name} are both protected (column protected), and such ports do not talk to each other`;
    }
    case 'no flooding to the port':
      return `port ${name} takes no flooded packets (OpenFlow's no-flood)`;
    case 'the port sends no packets':
      return `port ${name} sends no packets (OpenFlow's no-forward)`;
    case 'the port takes no packets':
      return `port ${name} takes no packets (OpenFlow's no-receive)`;
    case 'the port is down':
      return `device ${name} is administratively down`;
    case 'the port has neither device nor peer':
      return `patch port ${name} has no peer: its options:peer names none that names it back`;
    case 'the spanning tree blocks the input port':
    case 'the spanning tree blocks the output port':
    case 'the spanning tree has the input port learn only':
      return treeText(drop);
    case 'nobody listens to the multicast group':
      return 'no port has asked for its multicast group, and there is no router (mdb/show; other_config:mcast-snooping-disable-flood-unregistered)';
    case 'reserved destination address':
      return `${formatMac(flow.dlDst)} is reserved for protocols between bridges, which are not forwarded (other_config:forward-bpdu)`;
    case 'destination is at the input port':
      return learnedText(drop);
    case 'the only output is the input port':
      return `the flow sends it out of the port that it came in by (${bridge?.ports.get(flow.inPort)?.name ?? flow.inPort}), which only the action in_port does`;
    case 'no such port':
      return `the flow sends it to a port that the bridge does not have${brokenText(drop, env)}`;
    case 'no such port in the bridge':
    case 'no such port in any bridge':
      return `it came by a port that the bridge does not have${brokenText(drop, env)}`;
    case 'fake interface of a bond':
      return `it came by ${name}, the interface that bond_fake_iface asks for, which NORMAL takes nothing from`;
    case 'fragments are dropped':
      return 'it is an IP fragment, which the bridge drops (ovs-ofctl set-frags)';
    case 'the TTL has run out':
      return `its TTL of ${flow.nwTtl} is not enough for dec_ttl`;
    case 'no route to the other end of the tunnel':
      return `there is no route to the other end of tunnel ${name} (ovs-appctl ovs/route/show)`;
    case 'the next hop of the tunnel is not known yet':
      return `nobody has answered yet for the next hop of tunnel ${name} (ovs-appctl tnl/neigh/show)`;
    case 'the tunnel has no header for it':
      return `tunnel ${name} has no header for it: ERSPAN takes versions 1 and 2 (erspan_ver) and keys below 1024`;
    case 'tunnel options too long':
      return `its Geneve options are longer than tunnel ${name} can send`;
    case 'no bucket of the group is alive':
    case 'the group has no buckets':
      return groupText(drop);
    case 'the input port is reserved for mirroring':
      return mirrorText(drop);
    case 'Recursion too deep':
    case 'Too many resubmits':
      return `${reason}: flows send it round and round, and the switch gave up on it (resubmit, groups or patch ports in a loop)`;
    case 'no port to send to':
      return 'there is no port that it could go to';
    default:
      return reason;
  }
}

function treeText({ bridge, port }: Drop): string {
  const kind = bridge?.tree?.kind ?? 'stp';
  const state = port?.treeState ?? 'blocking';
  return `port ${port?.name ?? ''} is ${state} in the spanning tree, where packets pass once it is forwarding (${kind}/show)`;
}

function groupText({ bridge, group: id, reason }: Drop): string {
  const group = id === undefined ? undefined : bridge?.groups.get(id);
  if (!group) return reason;
  if (group.buckets.length === 0) return `group ${id} has no buckets`;
  const watched = group.buckets.map(({ watchPort, watchGroup }) =>
    watchPort === OFPP_NONE
      ? `group ${watchGroup}`
      : `port ${bridge?.ports.get(watchPort)?.name ?? watchPort}`,
  );
  return `no bucket of group ${id} is alive, for what they watch is not: ${[...new Set(watched)].join(', ')}`;
}

function mirrorText({ bridge, flow }: Drop): string {
  const from = bridge?.ports.get(flow.inPort)?.bundle;
  const mirror = bridge?.mirrors.find(({ settings }) => settings.out === from);
  return `port ${from?.name ?? ''} is the output of mirror ${mirror?.settings.name ?? ''}, and nothing is taken from such a port (column output_port of Mirror)`;
}

function missText({ bridge, tableId }: Drop, env: ExplainEnv): string {
  const miss = `no flow matched in table ${tableId}`;
  if (!bridge || hasFlows(bridge.tables.rules())) {
    return !bridge || hasFlows(bridge.tables.at(tableId).classifier.rules())
      ? miss
      : `${miss}, which is empty`;
  }
  const { isSecure, controllers } = env.facts(bridge);
  if (!isSecure && controllers.length === 0) return `${miss}: the bridge has no flows at all`;
  const who =
    controllers.length === 0
      ? 'it has no controller'
      : controllers.every((c) => !c.isConnected)
        ? `its controller ${controllers.map((c) => c.target).join(', ')} is not connected`
        : 'its controller has set up none';
  const why = isSecure ? 'with fail_mode=secure' : 'with a controller';
  return `${miss}: ${why} the bridge starts without flows, and ${who}`;
}

/** What the switch keeps for itself, as for in-band control, is nobody's. */
function hasFlows(rules: Iterable<Rule>): boolean {
  for (const rule of rules) if (!rule.isHidden && rule.tableId < TBL_INTERNAL) return true;
  return false;
}

/** The column of the Port row that decides. */
function vlanColumn(bundle: Bundle, vlan: number): string {
  const list = (vlans: ReadonlySet<number> | undefined) => [...(vlans ?? [])].join(', ');
  switch (bundle.vlanMode) {
    case 'access':
      return vlan === bundle.vlan
        ? `it is an access port (tag=${bundle.vlan}), where packets come untagged`
        : `it is an access port of VLAN ${bundle.vlan} (column tag)`;
    case 'dot1q-tunnel':
      return bundle.vlan === vlan || bundle.cvlans
        ? `column cvlans is [${list(bundle.cvlans)}]`
        : `it is a tunnel port of VLAN ${bundle.vlan} (column tag)`;
    default:
      return `column trunks is [${list(bundle.trunks)}]`;
  }
}

function insideVlan({ bridge, flow }: Drop): number {
  const from = bridge?.ports.get(flow.inPort)?.bundle;
  return from ? inputTranslate(from, tagsFromStack(tagsOf(flow)))[0].vid : 0;
}

function learnedText(drop: Drop): string {
  const { bridge, flow, port } = drop;
  const vlan = insideVlan(drop);
  const entry = bridge?.macs.lookup(vlan, flow.dlDst);
  const how = !entry
    ? ''
    : entry.isStatic
      ? ' (a static entry)'
      : ` (learned, seen ${bridge!.macs.ageSeconds(entry)} s ago)`;
  const where = vlan === 0 ? '' : ` in VLAN ${vlan}`;
  return `${formatMac(flow.dlDst)} is known to be at ${port?.name ?? 'the input port'}${where}${how}, where the packet came from`;
}

function brokenText({ bridge }: Drop, env: ExplainEnv): string {
  const broken = bridge ? env.facts(bridge).broken : [];
  if (broken.length === 0) return '';
  return ` (${broken.map(({ name, error }) => `${name}: ${error}`).join('; ')})`;
}
