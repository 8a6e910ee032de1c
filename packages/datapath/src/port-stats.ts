import type { PortStats } from './dpif.ts';

/** Of a port that nothing has gone through. */
export function emptyPortStats(): PortStats {
  return {
    rxPackets: 0,
    rxBytes: 0,
    rxErrors: 0,
    rxDropped: 0,
    rxOverErrors: 0,
    rxFrameErrors: 0,
    rxCrcErrors: 0,
    txPackets: 0,
    txBytes: 0,
    txErrors: 0,
    txDropped: 0,
    collisions: 0,
  };
}
