import { type DpPort, formatInstalledFlow } from '@heddle/datapath';
import type { UnixctlServer } from '@heddle/runtime';
import { formatUserdata } from '../ofproto/userdata.ts';
import type { OfPort } from '../ofproto.ts';
import type { Switch } from '../switch.ts';
import { tunnelConfigText } from '../tunnel/config.ts';
import { bridgeOf } from './lookup.ts';

/** dpif/*, upcall/* and revalidator/*: what the switch has in its datapaths. */
export function registerDpif(server: UnixctlServer, sw: Switch): void {
  server.register('dpif/show', '', 0, 0, () => {
    let out = '';
    for (const { dpif } of sw.backers.values()) {
      const stats = dpif.stats();
      out += `${dpif.type}@${dpif.name}: hit:${stats.hit} missed:${stats.missed}\n`;
      const ports = new Map([...dpif.ports()].map((p) => [p.portNo, p]));
      const bridges = [...sw.bridges.values()].filter((b) => b.backer.dpif === dpif);
      for (const bridge of bridges.sort((a, b) => (a.name < b.name ? -1 : 1))) {
        out += `  ${bridge.name}:\n`;
        const mine = [...bridge.ofproto.ports.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
        for (const p of mine) {
          const odp = p.odpPort === undefined ? 'none' : String(p.odpPort);
          const port = p.odpPort === undefined ? undefined : ports.get(p.odpPort);
          const peer = bridge.ifaces.get(p.name)?.row.options.get('peer');
          out += `    ${p.name} ${p.ofport}/${odp}: ${kind(p, port, peer)}\n`;
        }
      }
    }
    return out;
  });

  server.register('dpif/dump-dps', '', 0, 0, () =>
    [...sw.bridges.values()]
      .map((b) => `${b.backer.dpif.type}@${b.name}\n`)
      .sort()
      .join(''),
  );

  server.register('dpif/dump-flows', '[-m] [--names | --no-names] bridge', 1, Infinity, (args) => {
    const bridge = bridgeOf(sw, args.at(-1)!);
    const verbose = args.includes('-m') || args.includes('--more');
    const named = args.includes('--names') || (verbose && !args.includes('--no-names'));
    const { dpif, ports } = bridge.backer;
    const names = new Map([...dpif.ports()].map((p) => [p.portNo, p.name]));
    let out = '';
    for (const flow of dpif.flows()) {
      if (ports.get(flow.key.inPort)?.bundle.bridge !== bridge.ofproto) continue;
      const portName = (port: number) => names.get(port);
      const options = {
        verbose,
        ofBridge: true,
        packetType: dpif.engine === 'userspace',
        userdata: formatUserdata,
        ...(named && { portName }),
      };
      out += `${formatInstalledFlow(flow, dpif.nowMs(), options)}\n`;
    }
    return out;
  });

  registerUpcall(server, sw);

  server.register('dpif/show-dp-features', 'bridge', 1, 1, ([name]) => {
    return bridgeOf(sw, name!).backer.features.show();
  });

  server.register('dpif/set-dp-features', 'bridge', 1, 3, ([name, key, value]) => {
    const { features, udpif } = bridgeOf(sw, name!).backer;
    if (value === undefined) return features.states(key);
    const refusal = features.set(key!, value);
    udpif.native = features.actions;
    udpif.configChanged();
    return refusal;
  });

  server.register('upcall/show', '', 0, 0, () => {
    let out = '';
    for (const { dpif, udpif } of sw.backers.values()) {
      out += `${dpif.type}@${dpif.name}:\n`;
      out += `  flows         : (current ${udpif.ukeys.size}) (avg ${udpif.ukeys.size}) (max ${Math.max(udpif.maxFlows, udpif.ukeys.size)}) (limit ${udpif.options.flowLimit})\n`;
      out += `  dump duration : ${Math.ceil(udpif.dumpDurationMs)}ms\n`;
      out += '  ufid enabled : true\n\n';
      out += `  0: (keys ${udpif.ukeys.size})\n`;
    }
    return out;
  });

  const each = (work: (sw: Switch) => void) => () => {
    work(sw);
    return '';
  };
  server.register(
    'revalidator/pause',
    '',
    0,
    0,
    each(() => forAll(sw, (u) => u.pause())),
  );
  server.register(
    'revalidator/resume',
    '',
    0,
    0,
    each(() => forAll(sw, (u) => u.resume())),
  );
  server.register(
    'revalidator/purge',
    '',
    0,
    0,
    each(() => forAll(sw, (u) => u.purge())),
  );
  server.register('revalidator/wait', '', 0, 0, async () => {
    for (const { udpif } of sw.backers.values()) {
      udpif.poll();
      await udpif.wait();
    }
    return '';
  });
}

function registerUpcall(server: UnixctlServer, sw: Switch): void {
  const megaflows = (enabled: boolean) => () => {
    forAll(sw, (u) => u.useMegaflows(enabled));
    return `megaflows ${enabled ? 'enabled' : 'disabled'}\n`;
  };
  server.register('upcall/disable-megaflows', '', 0, 0, megaflows(false));
  server.register('upcall/enable-megaflows', '', 0, 0, megaflows(true));
  // Flows are always known by their ufid here: which name a dump asks by is upstream's concern.
  server.register(
    'upcall/disable-ufid',
    '',
    0,
    0,
    () => 'Datapath dumping tersely using UFID disabled\n',
  );
  server.register(
    'upcall/enable-ufid',
    '',
    0,
    0,
    () => 'Datapath dumping tersely using UFID enabled for supported datapaths\n',
  );
  server.register('upcall/set-flow-limit', 'flow-limit-number', 1, 1, ([text]) => {
    const limit = Math.max(Number.parseInt(text!, 10) || 0, 0);
    forAll(sw, (u) => {
      u.options.flowLimit = limit;
    });
    return `set flow_limit to ${limit}\n`;
  });
}

function forAll(
  sw: Switch,
  work: (
    udpif: Switch['backers'] extends Map<string, infer B>
      ? B extends { udpif: infer U }
        ? U
        : never
      : never,
  ) => void,
): void {
  for (const { udpif } of sw.backers.values()) work(udpif);
}

function kind({ tunnel }: OfPort, port: DpPort | undefined, peer: string | undefined): string {
  if (tunnel) return `(${tunnel.type}: ${tunnelConfigText(tunnel)})`;
  if (!port) return peer === undefined ? '(patch)' : `(patch: peer=${peer})`;
  return port.config === undefined ? `(${port.type})` : `(${port.type}: ${port.config})`;
}
