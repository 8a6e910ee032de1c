/** Which recirculation ids the datapath's flows still need. */
import type { InstalledFlow, OdpAction } from '@heddle/datapath';
import { decodeUserdata } from './ofproto/userdata.ts';
import { nestedLists } from './slow-path.ts';

/** The ids (0: none) that a flow has or leads to, nested lists and controllers' packets included. */
export function* recircIdsOf({
  key,
  actions,
}: Pick<InstalledFlow, 'key' | 'actions'>): Generator<number> {
  yield key.recircId;
  yield* recircIdsIn(actions);
}

function* recircIdsIn(actions: readonly OdpAction[]): Generator<number> {
  for (const action of actions) {
    if (action.type === 'recirc') yield action.id;
    else if (action.type === 'userspace') {
      const data = decodeUserdata(action.userdata);
      if (data?.kind === 'controller') yield data.recircId;
    }
    for (const list of nestedLists(action)) yield* recircIdsIn(list);
  }
}
