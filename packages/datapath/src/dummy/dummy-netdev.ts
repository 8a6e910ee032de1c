/** A device of the dummy datapath: it exists in this process only (ovs-vswitchd(8), netdev-dummy). */
import { ETH_HEADER_LEN } from '@heddle/packet';
import type { Clock } from '@heddle/runtime/clock';
import type { PortStats, VportType } from '../dpif.ts';
import type { Netdev } from '../userspace/netdev.ts';
import { PacketStreams } from './packet-streams.ts';
import { PcapFile } from './pcap-file.ts';

const DEFAULT_MTU = 1500;
const UNKNOWN = -1;

/** The options of an Interface row that such a device knows. */
export type DummyOptions = ReadonlyMap<string, string>;

export class DummyNetdev implements Netdev {
  readonly name: string;
  readonly type: VportType;
  hwAddr: number;
  mtu = DEFAULT_MTU;
  ifindex = 0;
  isUp = true;
  /** `1.2.3.4/24`: told by `netdev-dummy/ip4addr` and `ip6addr`. */
  readonly addresses: string[] = [];
  /** Queues for `receive --qid`. */
  rxQueues = 1;
  readonly #clock: Clock;
  readonly #closed: (device: DummyNetdev) => void;
  readonly #streams: PacketStreams;
  #receiver: ((frame: Uint8Array) => void) | undefined;
  #rxPcap: PcapFile | undefined;
  #txPcap: PcapFile | undefined;
  #rxPackets = 0;
  #rxBytes = 0;
  #txPackets = 0;
  #txBytes = 0;

  constructor(
    name: string,
    type: VportType,
    hwAddr: number,
    clock: Clock,
    closed: (device: DummyNetdev) => void,
  ) {
    this.name = name;
    this.type = type;
    this.hwAddr = hwAddr;
    this.#clock = clock;
    this.#closed = closed;
    this.#streams = new PacketStreams(clock, (frame) => this.receive(frame));
  }

  /** Of the active stream; undefined without one. */
  get isConnected(): boolean | undefined {
    return this.#streams.isConnected;
  }

  /** As `dpctl/show` has it. */
  get config(): string | undefined {
    const told = [
      ...(this.ifindex > 0 ? [`ifindex=${this.ifindex}`] : []),
      ...(this.#streams.config === undefined ? [] : [this.#streams.config]),
    ];
    if (this.type === 'dummy-pmd') {
      told.push(`requested_rx_queues=${this.rxQueues}`, 'requested_tx_queues=1');
      told.unshift(`configured_rx_queues=${this.rxQueues}`, 'configured_tx_queues=1');
    }
    return told.length === 0 ? undefined : told.join(', ');
  }

  /**
   * `pcap` takes both directions, `rxq_pcap` and `tx_pcap` one each; `stream` and `pstream` join the device with
   * another program.
   */
  configure(options: DummyOptions): void {
    this.ifindex = integer(options.get('ifindex'), 0);
    if (this.type === 'dummy-pmd') this.rxQueues = Math.max(integer(options.get('n_rxq'), 1), 1);
    this.#streams.configure(options.get('stream'), options.get('pstream'));
    const both = options.get('pcap');
    const rx = both ?? options.get('rxq_pcap');
    const tx = both ?? options.get('tx_pcap');
    if (rx === this.#rxPcap?.path && tx === this.#txPcap?.path) return;
    this.#closePcaps();
    this.#rxPcap = rx === undefined ? undefined : new PcapFile(rx);
    if (tx !== undefined) this.#txPcap = tx === rx ? this.#rxPcap : new PcapFile(tx);
  }

  setReceiver(receiver: ((frame: Uint8Array) => void) | undefined): void {
    this.#receiver = receiver;
  }

  /** A frame arrives, be the device up or down. */
  receive(frame: Uint8Array): void {
    this.#rxPackets++;
    this.#rxBytes += frame.length;
    this.#rxPcap?.write(frame, this.#clock.wallMs());
    this.#receiver?.(frame);
  }

  transmit(frame: Uint8Array): boolean {
    if (frame.length > this.mtu + ETH_HEADER_LEN) return false;
    this.#txPackets++;
    this.#txBytes += frame.length;
    this.#txPcap?.write(frame, this.#clock.wallMs());
    this.#streams.send(frame);
    return true;
  }

  stats(): PortStats {
    return {
      rxPackets: this.#rxPackets,
      rxBytes: this.#rxBytes,
      rxErrors: UNKNOWN,
      rxDropped: UNKNOWN,
      rxOverErrors: UNKNOWN,
      rxFrameErrors: UNKNOWN,
      rxCrcErrors: UNKNOWN,
      txPackets: this.#txPackets,
      txBytes: this.#txBytes,
      txErrors: UNKNOWN,
      txDropped: UNKNOWN,
      collisions: UNKNOWN,
      custom: new Map([
        ['rx_custom_packets_1', this.#rxPackets],
        ['rx_custom_packets_2', this.#rxPackets],
        ['rx_q0_bytes', this.#rxBytes],
        ['rx_q0_packets', this.#rxPackets],
        ['tx_q0_bytes', this.#txBytes],
        ['tx_q0_packets', this.#txPackets],
      ]),
    };
  }

  close(): void {
    this.#receiver = undefined;
    this.#streams.close();
    this.#closePcaps();
    this.#closed(this);
  }

  #closePcaps(): void {
    this.#rxPcap?.close();
    if (this.#txPcap !== this.#rxPcap) this.#txPcap?.close();
    this.#rxPcap = undefined;
    this.#txPcap = undefined;
  }
}

function integer(text: string | undefined, fallback: number): number {
  const n = Number.parseInt(text ?? '', 10);
  return Number.isInteger(n) ? n : fallback;
}
