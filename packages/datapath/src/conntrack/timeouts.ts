/** How long connections without traffic are kept; names as in CT_Timeout_Policy (ovs-vswitchd.conf.db(5)). */

/** Seconds. */
export interface CtTimeouts {
  tcp_syn_sent: number;
  tcp_syn_recv: number;
  tcp_established: number;
  tcp_fin_wait: number;
  tcp_time_wait: number;
  tcp_close: number;
  udp_first: number;
  udp_single: number;
  udp_multiple: number;
  icmp_first: number;
  icmp_reply: number;
}

export type CtTimeout = keyof CtTimeouts;

export const DEFAULT_TIMEOUTS: Readonly<CtTimeouts> = {
  tcp_syn_sent: 30,
  tcp_syn_recv: 30,
  tcp_established: 86_400,
  tcp_fin_wait: 900,
  tcp_time_wait: 45,
  tcp_close: 30,
  udp_first: 60,
  udp_single: 60,
  udp_multiple: 30,
  icmp_first: 60,
  icmp_reply: 30,
};

/** Timeouts by number; 0 and what is not set are the defaults. */
export class TimeoutPolicies {
  readonly #policies = new Map<number, Readonly<CtTimeouts>>();

  set(id: number, timeouts: Partial<CtTimeouts> | undefined): void {
    if (timeouts) this.#policies.set(id, { ...DEFAULT_TIMEOUTS, ...timeouts });
    else this.#policies.delete(id);
  }

  of(id: number): Readonly<CtTimeouts> {
    return this.#policies.get(id) ?? DEFAULT_TIMEOUTS;
  }

  entries(): Iterable<readonly [id: number, timeouts: Readonly<CtTimeouts>]> {
    return this.#policies;
  }
}
