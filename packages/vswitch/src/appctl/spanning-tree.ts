import { UnixctlError, type UnixctlServer } from '@heddle/runtime';
import { showRstp } from '../rstp/text.ts';
import type { BridgeTree } from '../spanning-tree/bridge-tree.ts';
import { showStp } from '../stp/text.ts';
import type { Switch } from '../switch.ts';

/** stp/* and rstp/*: spanning trees (ovs-vswitchd(8)). */
export function registerSpanningTree(server: UnixctlServer, sw: Switch): void {
  for (const kind of ['stp', 'rstp'] as const) {
    const find = (name: string | undefined): BridgeTree[] => {
      const bridges = [...sw.bridges.values()].filter((b) => name === undefined || b.name === name);
      const found = bridges.flatMap(({ ofproto }) =>
        ofproto.tree?.kind === kind ? ofproto.tree : [],
      );
      if (name !== undefined && found.length === 0) {
        throw new UnixctlError(kind === 'stp' ? 'no such stp object' : 'No such RSTP object');
      }
      return found;
    };
    server.register(`${kind}/show`, '[bridge]', 0, 1, ([name]) => find(name).map(show).join(''));
    server.register(`${kind}/tcn`, '[bridge]', 0, 1, ([name]) => {
      for (const tree of find(name)) tree.changeTopology();
      return 'OK\n';
    });
  }
}

function show({ protocol }: BridgeTree): string {
  return protocol.kind === 'stp' ? showStp(protocol.entity) : showRstp(protocol.entity);
}
