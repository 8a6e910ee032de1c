/**
 * Runs the protocols that watch over single ports (BFD, CFM, LLDP) when they have something to do, and says
 * which ports they hold for good.
 */
import { randomInt } from 'node:crypto';
import type { Clock, Timer } from '@heddle/runtime';
import type { Bfd, KeptBfd } from './bfd/bfd.ts';
import { bfdToKeep, keptBfd } from './bfd/carry-over.ts';
import { emitBfd, parseBfd } from './bfd/packet.ts';
import { cfmToKeep, restoreCfm } from './cfm/carry-over.ts';
import { type CcmVlan, emitCcm, parseCcm } from './cfm/ccm.ts';
import type { Cfm, CfmSettings } from './cfm/cfm.ts';
import type { OfPort } from './ofproto.ts';

const MAX_VLAN = 4095;

export interface PortMonitorEnv {
  readonly clock: Clock;
  /** Sends a frame out of a port; `isOam`: told apart from traffic where a tunnel can. */
  send(port: OfPort, frame: Uint8Array, isOam: boolean): void;
  hwAddr(port: OfPort): number;
  /** What a port has received so far. */
  rxPackets(port: OfPort): number;
  /** A port that was held for good no longer is, or the other way round. */
  livenessChanged(port: OfPort): void;
  /** What the database says of a protocol is no longer so. */
  statusChanged(port: OfPort): void;
  /** What the last daemon has left, when this one goes on with its flows. */
  found(key: string): unknown;
  /** How long there was no daemon. */
  awayMs(): number;
  /** For the next daemon; undefined: there is nothing to keep. */
  keep(key: string, value: unknown): void;
}

interface Alarm {
  readonly atMs: number;
  readonly timer: Timer;
}

export class PortMonitor {
  readonly #env: PortMonitorEnv;
  readonly #alarms = new Map<OfPort, Alarm>();
  readonly #status = new WeakMap<OfPort, string>();

  constructor(env: PortMonitorEnv) {
    this.#env = env;
  }

  /** In whole milliseconds, as the protocols count them. */
  get nowMs(): number {
    return Math.floor(this.#env.clock.nowMs());
  }

  keptBfd(port: OfPort): KeptBfd | undefined {
    return keptBfd(this.#env.found(keyOf('bfd', port)), this.#env.awayMs());
  }

  restoreCfm(port: OfPort, cfm: Cfm): void {
    restoreCfm(cfm, this.#env.found(keyOf('cfm', port)), this.#env.awayMs());
  }

  /** A port's protocols have been configured anew, or gone. */
  changed(port: OfPort): void {
    this.#tell(port);
    this.#arm(port);
  }

  /** As `changed`; does at once what is due. */
  configured(port: OfPort): void {
    if (this.#dueMs(port) <= this.nowMs) this.#run(port);
    else this.changed(port);
  }

  /** The port is gone. */
  forget(port: OfPort): void {
    this.#keep('bfd', port, undefined);
    this.#keep('cfm', port, undefined);
    this.#disarm(port);
  }

  #disarm(port: OfPort): void {
    this.#alarms.get(port)?.timer.cancel();
    this.#alarms.delete(port);
  }

  receiveBfd(port: OfPort, frame: Uint8Array): void {
    const { bfd } = port;
    const packet = bfd && parseBfd(frame);
    if (!packet) return;
    if (typeof packet === 'string') bfd.discard(packet);
    else bfd.receive(packet, this.nowMs);
    this.changed(port);
  }

  receiveCfm(port: OfPort, frame: Uint8Array): void {
    const { cfm } = port;
    if (!cfm) return;
    const ccm = parseCcm(frame, cfm.settings.isExtended);
    if (ccm === 'foreign') cfm.receiveForeign();
    else if (ccm !== 'bad') cfm.receive(ccm, this.nowMs);
    this.changed(port);
  }

  receiveLldp(port: OfPort, frame: Uint8Array): void {
    port.lldp?.receive(frame, this.nowMs);
    this.changed(port);
  }

  #run(port: OfPort): void {
    if (port.lldp) {
      port.lldp.run(this.nowMs);
      const frame = port.lldp.send(this.nowMs, this.#env.hwAddr(port));
      if (frame) this.#env.send(port, frame, false);
    }
    if (port.bfd) this.#runBfd(port, port.bfd);
    if (port.cfm) this.#runCfm(port, port.cfm);
    this.changed(port);
  }

  #runCfm(port: OfPort, cfm: Cfm): void {
    const { nowMs } = this;
    const ccm = cfm.send(nowMs);
    if (ccm) {
      const { isExtended } = cfm.settings;
      const frame = { source: this.#env.hwAddr(port), vlan: ccmVlan(cfm.settings), isExtended };
      this.#env.send(port, emitCcm(ccm, frame), false);
    }
    cfm.run(nowMs, () => this.#env.rxPackets(port));
  }

  #runBfd(port: OfPort, bfd: Bfd): void {
    const { nowMs } = this;
    bfd.run(nowMs, () => this.#env.rxPackets(port));
    const packet = bfd.send(nowMs);
    if (!packet) return;
    const { localSrcMac, localDstMac, srcIp, dstIp, oam } = bfd.settings;
    const addresses = {
      ethSrc: localSrcMac || this.#env.hwAddr(port),
      ethDst: localDstMac,
      ipSrc: srcIp,
      ipDst: dstIp,
      udpSrc: bfd.udpSrc,
    };
    this.#env.send(port, emitBfd(packet, addresses), oam);
  }

  /** An alarm that comes too early does no harm; one that is too late is set anew. */
  #arm(port: OfPort): void {
    const dueMs = this.#dueMs(port);
    const alarm = this.#alarms.get(port);
    if (alarm && alarm.atMs <= dueMs) return;
    this.#disarm(port);
    if (dueMs === Infinity) return;
    const timer = this.#env.clock.after(Math.max(dueMs - this.nowMs, 0), () => {
      this.#alarms.delete(port);
      this.#run(port);
    });
    this.#alarms.set(port, { atMs: dueMs, timer });
  }

  #dueMs({ bfd, cfm, lldp }: OfPort): number {
    return Math.min(...[bfd, cfm, lldp].map((watch) => watch?.dueMs ?? Infinity));
  }

  #keep(protocol: 'bfd' | 'cfm', port: OfPort, value: unknown): void {
    this.#env.keep(keyOf(protocol, port), value);
  }

  #tell(port: OfPort): void {
    const { bfd, cfm } = port;
    const isFaulty = bfd?.isForwarding === false || cfm?.isFaulty === true || cfm?.isOpup === false;
    if (isFaulty !== port.isFaulty) {
      port.isFaulty = isFaulty;
      this.#env.livenessChanged(port);
    }
    this.#keep('bfd', port, bfdToKeep(bfd));
    this.#keep('cfm', port, cfmToKeep(cfm));
    const status = `${bfd?.statusKey ?? ''}/${cfm?.statusKey ?? ''}`;
    if (status === (this.#status.get(port) ?? '/')) return;
    this.#status.set(port, status);
    this.#env.statusChanged(port);
  }
}

function keyOf(protocol: 'bfd' | 'cfm', port: OfPort): string {
  return `${protocol}/${port.bundle.bridge.name}/${port.name}`;
}

/** The tag of a CCM; undefined: none. */
function ccmVlan({ vlan, pcp }: CfmSettings): CcmVlan | undefined {
  if (vlan === undefined && pcp === undefined) return undefined;
  const vid = vlan === 'random' ? randomInt(MAX_VLAN + 1) : (vlan ?? 0);
  return { vid, pcp: pcp ?? 0 };
}
