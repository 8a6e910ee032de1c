/** The control commands of ovs-vswitchd(8). */
import { readFile } from 'node:fs/promises';
import { coverage, registerMemory, type UnixctlServer, WarpClock } from '@heddle/runtime';
import { registerDpctl } from '../dpctl/index.ts';
import type { Switch } from '../switch.ts';
import { registerBfd } from './bfd.ts';
import { registerBond } from './bond.ts';
import { registerCfm } from './cfm.ts';
import { registerDpif } from './dpif.ts';
import { registerDpifNetdev } from './dpif-netdev.ts';
import { registerDummy, registerTime } from './dummy.ts';
import { registerDummyPorts } from './dummy-ports.ts';
import { registerExplain } from './explain.ts';
import { registerFdb } from './fdb.ts';
import { registerLacp } from './lacp.ts';
import { registerLldp } from './lldp.ts';
import { registerLogModules } from './log-modules.ts';
import { registerMdb } from './mdb.ts';
import { registerOfproto } from './ofproto.ts';
import { registerQos } from './qos.ts';
import { registerSpanningTree } from './spanning-tree.ts';
import { registerTrace } from './trace.ts';
import { registerTunnel } from './tunnel.ts';

export function registerSwitchCommands(server: UnixctlServer, sw: Switch): void {
  registerLogModules();
  coverage.register(server);
  registerFdb(server, sw);
  registerMdb(server, sw);
  registerBond(server, sw);
  registerLacp(server, sw);
  registerSpanningTree(server, sw);
  registerBfd(server, sw);
  registerCfm(server, sw);
  registerLldp(server, sw);
  registerDpif(server, sw);
  registerOfproto(server, sw);
  registerQos(server, sw);
  registerTrace(server, sw);
  registerTunnel(server, sw);
  const { clock, dummy } = sw.options;
  registerDpifNetdev(server, sw);
  if (dummy) registerDummy(server, dummy.netdevs);
  if (dummy) registerDummyPorts(server, sw);
  if (clock instanceof WarpClock) registerTime(server, clock);
  registerExplain(server, sw);
  registerDpctl(server, {
    program: 'ovs-vswitchd',
    dpifs: () => sw.datapaths.all(),
    createDpif: (type, name) => sw.datapaths.create(type, name),
    destroyDpif: (dpif) => sw.datapaths.destroy(dpif),
    readFile: (name) => readFile(name, 'utf8'),
  });
  registerMemory(server, () => {
    let ports = 0;
    for (const bridge of sw.bridges.values()) ports += bridge.ofproto.ports.size;
    let keys = 0;
    for (const backer of sw.backers.values()) keys += backer.udpif.ukeys.size;
    let cells = 0;
    for (const table of sw.idl.schema.tables.values()) {
      cells += sw.idl.rows(table.name as 'Bridge').length * (table.columnList.length + 1);
    }
    return {
      handlers: 1,
      'idl-cells-Open_vSwitch': cells,
      ports,
      revalidators: 1,
      rules: sw.bridges.size,
      'udpif keys': keys,
    };
  });
}
