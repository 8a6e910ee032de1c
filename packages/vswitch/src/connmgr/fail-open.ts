/**
 * What a bridge does that its controllers have left (ovs-vswitchd.conf.db(5), `fail_mode`
 * "standalone"): it switches by itself until one of them controls it again.
 */
import { randomBytes } from 'node:crypto';
import { OFP_NO_BUFFER, OFPP_LOCAL } from '@heddle/openflow';
import { Match } from '@heddle/openflow/match';
import { OFPR_NO_MATCH } from '@heddle/openflow/msgs/packet-in-reason';
import { ETH_P_RARP } from '@heddle/packet';
import { vlog } from '@heddle/runtime';
import type { Connections } from './connections.ts';
import type { Connmgr } from './connmgr.ts';

const log = vlog.module('fail_open');

const BOGUS_MS = 2000;
const REMINDER_MS = 60_000;

interface Subject {
  readonly connmgr: Connmgr;
  nowMs(): number;
  tablesChanged(): void;
}

export class FailOpen {
  readonly #dpif: Subject;
  readonly #connections: Connections;
  #isOpen = false;
  #toldMs = 0;
  #bogusMs = 0;

  constructor(dpif: Subject, connections: Connections) {
    this.#dpif = dpif;
    this.#connections = connections;
  }

  /** Looks how controllers are; `isAllowed`: the bridge is to go on without them. */
  run(isAllowed: boolean): void {
    const failedMs = isAllowed ? this.#connections.failedMs : undefined;
    if (failedMs === undefined) {
      this.#close();
      return;
    }
    const seconds = Math.floor(failedMs / 1000);
    const now = this.#dpif.nowMs();
    if (this.#set(true)) {
      log.warn(
        `Could not connect to controller (or switch failed controller's post-connection admission control policy) for ${seconds} seconds, failing open`,
      );
      this.#toldMs = now;
    } else if (now - this.#toldMs >= REMINDER_MS) {
      log.info(`Still in fail-open mode after ${seconds} seconds disconnected from controller`);
      this.#toldMs = now;
    }
    if (!this.#connections.hasConnected || now < this.#bogusMs) return;
    this.#bogusMs = now + BOGUS_MS;
    this.#ask();
  }

  #close(): void {
    if (this.#set(false)) log.warn('No longer in fail-open mode');
  }

  #set(open: boolean): boolean {
    if (this.#isOpen === open) return false;
    this.#isOpen = open;
    const { ofproto } = this.#dpif.connmgr.env;
    if (ofproto.setFailOpen(open, this.#dpif.nowMs())) this.#dpif.tablesChanged();
    return true;
  }

  /**
   * While the bridge switches by itself controllers get no packets. One that would only answer to
   * packets is given one, of an address that nobody has, so that it can show that it controls.
   */
  #ask(): void {
    const packet = rarp();
    const metadata = new Match();
    metadata.key.inPort = OFPP_LOCAL;
    metadata.mask.inPort = 0xffff;
    this.#dpif.connmgr.sendPacketIn(0, {
      packet,
      totalLen: packet.length,
      bufferId: OFP_NO_BUFFER,
      reason: OFPR_NO_MATCH,
      tableId: 0xff,
      cookie: 0xffff_ffff_ffff_ffffn,
      metadata,
    });
  }
}

/** A RARP request (RFC 903) of an address of Nicira's. */
function rarp(): Buffer {
  const mac = Buffer.concat([Buffer.from([0x00, 0x23, 0x20]), randomBytes(3)]);
  mac[3]! |= 0x80;
  const nobody = Buffer.alloc(4);
  const type = Buffer.from([ETH_P_RARP >> 8, ETH_P_RARP & 0xff]);
  // Ethernet, IPv4, lengths of their addresses, request reverse.
  const head = Buffer.from([0, 1, 0x08, 0x00, 6, 4, 0, 3]);
  return Buffer.concat([Buffer.alloc(6, 0xff), mac, type, head, mac, nobody, mac, nobody]);
}
